"""The configuration section `trajectory`: influence through every update of a training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mda.config.section import Name, Natural, Positive, Section, Unique

# Measures that are of all heads of the model together.
OVER_HEADS = ("metric_sum", "metric_soft_max")


def vectors_beside(outcomes: int) -> int:
    """Vectors of the weights that a walk has beside the states, at most; 27 were measured."""
    return 27 + 3 * outcomes


class Outcome(Section):
    """A number that a training comes to, whose derivative is asked for."""

    name: Name
    measure: Literal["metric", "metric_sum", "metric_soft_max", "probe", "held_out_loss"]
    target: Name | None = None
    when: Literal["mean", "end", "step"]
    step: Natural | None = None

    @model_validator(mode="after")
    def _complete(self) -> Outcome:
        if self.measure == "held_out_loss" and self.target is not None:
            raise ValueError("measure 'held_out_loss' is of the whole model; leave 'target' out")
        if self.measure != "held_out_loss" and self.target is None:
            raise ValueError(f"measure '{self.measure}' needs 'target', the name of a target")
        if self.when == "step" and self.step is None:
            raise ValueError("when 'step' needs 'step', a step at which runs are evaluated")
        if self.when != "step" and self.step is not None:
            raise ValueError(f"'step' is of when 'step', but when is '{self.when}'; leave one out")
        return self


class Trajectory(Section):
    """The trainings to walk back through, and what for."""

    orders: Annotated[list[Natural], Unique]
    base_run: bool
    outcomes: Annotated[list[Outcome], Field(min_length=1)]
    keep_every: Positive | None

    @property
    def names(self) -> list[str]:
        """The trainings, as their files are called: `run` is the base run's own."""
        return (["run"] if self.base_run else []) + [str(seed) for seed in self.orders]

    @property
    def vectors_beside(self) -> int:
        """As the function, of these outcomes."""
        return vectors_beside(len(self.outcomes))

    def outcome_of(self, target: str | None) -> str | None:
        """The name of a target's first outcome, by which samples are selected; None where it has none."""
        return next((outcome.name for outcome in self.outcomes if outcome.target == target), None)

    def of_a_walk(self) -> Trajectory:
        """The same without what changes no single walk."""
        return self.model_copy(update={"orders": [], "base_run": True, "keep_every": None})

    @model_validator(mode="after")
    def _named(self) -> Trajectory:
        names = [outcome.name for outcome in self.outcomes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"outcomes names '{name}' twice")
        if not self.names:
            raise ValueError("orders is empty and base_run is false; name a seed, or set it to true")
        return self
