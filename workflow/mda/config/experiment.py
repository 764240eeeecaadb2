"""The whole configuration of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from mda.config import model_settings, probe_files
from mda.config.corpus_sections import Corpus, Tokens
from mda.config.section import NULL_REMOVES, Name, Section
from mda.config.sections import (
    Attribution,
    Evidence,
    Experiments,
    Figures,
    Metrics,
    Model,
    Numerics,
    Run,
    Selection,
)
from mda.config.study_sections import Studies
from mda.config.trace_section import Trace, without_training
from mda.config.trajectory_section import Trajectory
from mda.config.unit_sections import Probe, Target


class Config(Section):
    """The whole configuration of one experiment."""

    experiment: Name | None
    corpus: Corpus
    tokens: Tokens
    model: Model
    trace: Trace | None
    run: Run
    numerics: Numerics
    metrics: Metrics
    probes: Annotated[dict[str, Probe], NULL_REMOVES]
    targets: Annotated[list[Target], Field(min_length=1)]
    attribution: Attribution
    trajectory: Trajectory | None
    selection: Selection
    experiments: Experiments
    evidence: Evidence
    figures: Figures
    studies: Studies

    @model_validator(mode="before")
    @classmethod
    def _trace(cls, value: Any) -> Any:
        traced = isinstance(value, dict) and value.get("trace") is not None
        return without_training(value) if traced else value

    @property
    def results(self) -> str:
        """Folder of this experiment's results, relative to the working directory."""
        return "results" if self.experiment is None else f"results/{self.experiment}"

    @property
    def scored(self) -> tuple[int, int]:
        """The steps of the base run whose samples are scored: from, to before."""
        window = self.run.window
        return (window.start, window.stop) if self.attribution.samples == "window" else (0, self.run.steps)

    @property
    def shards(self) -> int:
        """Number of scoring jobs."""
        if self.trace is not None:
            return self.trace.jobs
        start, stop = self.scored
        return -(-(stop - start) * self.run.batch_size // self.attribution.samples_per_shard)

    @property
    def rows_read(self) -> int | None:
        """Rows of the corpus that are read, all together; None for all that there are."""
        return self.run.steps * self.run.batch_size if self.trace is None else self.trace.rows

    @property
    def scored_samples(self) -> int | None:
        """Number of samples that are scored; None for all rows of the corpus."""
        start, stop = self.scored
        return (stop - start) * self.run.batch_size if self.trace is None else self.trace.rows

    @property
    def checkpoint_names(self) -> dict[int, str]:
        """What pages and figures call each checkpoint, by its training step."""
        if self.trace is None:
            return {step: f"step {step}" for step in self.run.checkpoints}
        return {
            step: name if self.trace.checkpoints[name].step is None else f"{name} (step {step})"
            for name, step in self.trace.steps.items()
        }

    @property
    def shape(self) -> model_settings.Shape:
        """The model's shape, as far as it is known: of a trace, by any checkpoint that is a folder here."""
        if self.trace is None or not self.trace.folders:
            return self.model.shape()
        return model_settings.shape(*model_settings.of_checkpoint(Path(self.trace.folders[0])))

    def neurons(self) -> list[str]:
        """The neurons that some target watches, by place."""
        return sorted({unit for target in self.targets if target.neurons for unit in target.units})

    def probes_of(self, targets: Sequence[Target]) -> dict[str, Probe]:
        """The probes that these targets name."""
        return {target.probe: self.probes[target.probe] for target in targets}

    @property
    def main_fraction(self) -> float:
        """The fraction that single figures show: the one nearest to the paper's 10 %."""
        return min(self.selection.fractions, key=lambda fraction: abs(fraction - 0.1))

    @property
    def all_targets(self) -> list[Target]:
        """The targets, and those of the study of specificity."""
        study = self.studies.specificity
        return self.targets + ([] if study is None else study.targets)

    def probe_files(self) -> tuple[str, ...]:
        """The users' own source files among them, and what these import from beside them."""
        return probe_files.every(self.probes_of(self.all_targets))

    @property
    def watched(self) -> list[Target]:
        """The targets whose probe runs watch, for it is their metric."""
        return [target for target in self.targets if target.metric == "probe"]


# Methods that select for one target; the others select for all.
OF_A_TARGET = (
    "influence", "identity", "diagonal", "kfac", "matched", "gradient_norm", "bm25", "outside",
    "trajectory", "history",
)  # fmt: skip


def methods_used(config: Config) -> set[str]:
    """The methods of selection that some intervention or study uses, but for the study of linearity."""
    studies = config.studies
    used = [item.selections for item in config.experiments.interventions]
    used += [] if studies.dose is None else [curve.selections for curve in studies.dose.curves]
    used += [] if studies.controls is None else [studies.controls.selections]
    return {method for methods in used for method in methods}


def selections_of(config: Config, method: str) -> list[str]:
    """Names of the selections that a method gives: one a target, or one in all."""
    if method in OF_A_TARGET:
        return [f"{method}-{target.name}" for target in config.targets]
    return [method]
