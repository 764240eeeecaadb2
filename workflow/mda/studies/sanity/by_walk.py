"""The scores that the checks of the derivative through training need, by walks back through a few updates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from mda.attribution import drawn_anew, order_means, trajectory
from mda.attribution.outcomes import Measure, Outcome
from mda.config import sections, trajectory_section, unit_sections
from mda.corpus.tokens import TokenStore
from mda.models.units import Unit
from mda.runtime import files
from mda.training import adamw, schedule, tape, training
from mda.training.schedule import Schedule

# Of each so many rows one is masked.
MASKED_OF = 8


class Found(NamedTuple):
    """Scores of one target.

    Attributes:
        rows: of the samples before the outcome, shape (samples,).
        real, own, every: as in `by_influence.Found`, standardized among the samples of an update.
        constant: of an outcome that is constant, as they come and standardized.
        raw: the real scores as they come, shape (samples,).
        change: of unmasked rows when masked rows get other tokens, shape (rows,).
        later: of samples that come after the outcome, shape (rows,).
    """

    rows: np.ndarray
    real: np.ndarray
    own: np.ndarray
    every: np.ndarray
    constant: np.ndarray
    raw: np.ndarray
    change: np.ndarray
    later: np.ndarray


@dataclass(frozen=True)
class Walking:
    """A few updates of a training that begins at a saved state, and an outcome after them.

    Attributes:
        stream: of these updates, and of some that come after the outcome.
        end: the step before whose updates the outcome is measured.
        folder: for what walks keep.
    """

    state: Path
    stream: Schedule
    end: int
    store: TokenStore
    optimizer: sections.Optimizer
    numerics: sections.Numerics
    folder: Path

    def start(self) -> tuple[PreTrainedModel, torch.optim.AdamW]:
        """The model and its optimizer in the saved state."""
        model, moments = adamw.load_state(self.state, self.optimizer, self.numerics)
        model.train()
        return model, moments

    def scores(
        self,
        begun: tuple[PreTrainedModel, torch.optim.AdamW],
        measures: Sequence[Measure],
        stream: Schedule | None = None,
    ) -> np.ndarray:
        """The derivative of each measure at the end in every sample's weight, shape (measures, rows)."""
        followed = self.stream if stream is None else stream
        kept = self.folder / "walk"
        cadence = training.Cadence(1, self.end, math.inf, kept)
        numerics = trajectory.numerics_of(self.numerics)
        trainer = training.Trainer(
            followed, self.store, None, self.optimizer, numerics, lambda model: {}, cadence
        )
        beside = trajectory_section.vectors_beside(len(measures))
        done = tape.Tape(trainer, *begun, tape.updates_of(followed), kept, beside=beside)
        asked = [Outcome(str(number), measure, "end") for number, measure in enumerate(measures)]
        found = trajectory.Walk(done, asked, [self.end], math.inf).follow()
        # States of another training lie there else.
        files.remove(kept)
        return found.scores

    def standardized(self, scores: np.ndarray) -> np.ndarray:
        """Scores of the samples before the outcome, standardized as for the mean over orders.

        Args:
            scores: shape (rows,).
        """
        lines = {name: getattr(self.stream, name) for name in ("step", "update", "row")}
        lines |= {"outcome": "", "score": scores}
        return order_means.standardized(pd.DataFrame(lines)[self.before])["score"].to_numpy()

    @property
    def before(self) -> np.ndarray:
        """Which rows come before the outcome."""
        return self.stream.step < self.end


def constant(measure: Measure) -> Measure:
    """0 times a measure, which passes through all that it does."""

    def zero(part: Callable[[PreTrainedModel], torch.Tensor]) -> Callable[[PreTrainedModel], torch.Tensor]:
        return lambda model: 0 * part(model)

    return [zero(part) for part in measure]


def masked(stream: Schedule, before: np.ndarray) -> tuple[Schedule, Schedule] | None:
    """The stream with some rows masked, and the same with other tokens in these: each has another one's.

    Args:
        before: which rows may be masked, shape (rows,).

    Returns:
        None of a stream that is too short for two such rows.
    """
    places = np.flatnonzero(before)[MASKED_OF - 1 :: MASKED_OF]
    if len(places) < 2:
        return None
    role, row = stream.role.copy(), stream.row.copy()
    role[places] = schedule.MASKED
    row[places] = np.roll(row[places], 1)
    one = dataclasses.replace(stream, role=role)
    return one, dataclasses.replace(one, row=row)


def found(
    walking: Walking,
    targets: Sequence[unit_sections.Target],
    units: Sequence[Sequence[Unit]],
    measures: Sequence[Measure],
    seeds: Sequence[int],
) -> Iterator[tuple[str, Found]]:
    """Every target with the scores of its checks.

    Args:
        units, measures: of the targets, in their order.
        seeds: of the weights that are drawn anew.
    """
    number = len(targets)
    both = walking.scores(walking.start(), [*measures, *map(constant, measures)])
    changes = _of_other_tokens(walking, measures)
    every = [_drawn(walking, seed, None, measures) for seed in seeds]
    for place, target in enumerate(targets):
        own = [_drawn(walking, seed, (units[place], target.blocks), [measures[place]])[0] for seed in seeds]
        raw, flat = both[place], both[number + place]
        yield (
            target.name,
            Found(
                walking.stream.row[walking.before],
                walking.standardized(raw),
                np.array([walking.standardized(one) for one in own]),
                np.array([walking.standardized(one[place]) for one in every]),
                np.concatenate([flat[walking.before], walking.standardized(flat)]),
                raw[walking.before],
                changes[place],
                raw[~walking.before],
            ),
        )


def _of_other_tokens(walking: Walking, measures: Sequence[Measure]) -> list[np.ndarray]:
    """By how much scores change with the tokens of masked rows; of no row if none can be masked."""
    both = masked(walking.stream, walking.before)
    if both is None:
        return [np.zeros(0) for _ in measures]
    one, other = (walking.scores(walking.start(), measures, stream) for stream in both)
    others = (both[0].role != schedule.MASKED) & walking.before
    return [(mine - theirs)[others] for mine, theirs in zip(one, other, strict=True)]


def _drawn(
    walking: Walking,
    seed: int,
    of: tuple[Sequence[Unit], Sequence[str]] | None,
    measures: Sequence[Measure],
) -> np.ndarray:
    """The scores of a training that begins with weights drawn anew: all, or the blocks `of` some units."""
    model, moments = walking.start()
    drawn_anew.draw(model, seed, None if of is None else drawn_anew.blocks_of(model, *of), moments)
    return walking.scores((model, moments), measures)
