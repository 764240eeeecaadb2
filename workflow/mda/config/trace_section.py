"""The configuration section `trace`: checkpoints of a model that was trained elsewhere."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError, model_validator

from mda.config import model_settings, sentences, weight_files
from mda.config.section import Name, Natural, Positive, Section
from mda.config.sections import Architecture
from mda.config.study_sections import Studies


class TracedCheckpoint(Section):
    """A checkpoint: a folder of this machine, or a repository of the hub at a revision."""

    model: str
    revision: str | None = None
    step: Natural | None = None

    @property
    def local(self) -> Path | None:
        """The folder, when it is one of this machine."""
        return Path(self.model) if Path(self.model).is_dir() else None

    @property
    def remote(self) -> str | None:
        """The repository on the hub, when it is one."""
        return self.model if self.local is None else None

    @model_validator(mode="after")
    def _place(self) -> TracedCheckpoint:
        if Path(self.model).is_file():
            raise ValueError(f"model '{self.model}' is a file; name a folder in Hugging Face format")
        if self.remote is not None and (self.revision is None or self.remote.count("/") != 1):
            raise ValueError(
                f"model '{self.model}' is no folder here; for a repository on the hub write owner/name, and "
                "its 'revision'"
            )
        if self.local is not None and not (self.local / "config.json").is_file():
            alone = "; an adapter alone is no model" if (self.local / weight_files.ADAPTER).is_file() else ""
            raise ValueError(
                f"model '{self.model}' is no folder of a checkpoint: it has no config.json{alone}"
            )
        if self.local is not None and self.revision is not None:
            raise ValueError(f"model '{self.model}' is a folder of this machine, which has no 'revision'")
        if self.local is not None:
            kind, _ = model_settings.of_checkpoint(self.local)
            if kind not in get_args(Architecture):
                raise ValueError(
                    f"model '{self.model}' is of architecture '{kind}', which is not supported; take one "
                    f"of {', '.join(get_args(Architecture))}"
                )
            weight_files.check(self.local)
        return self


class Trace(Section):
    """Checkpoints of one model, and how its corpus is scored."""

    checkpoints: Annotated[dict[Name, TracedCheckpoint], Field(min_length=1)]
    at: Name | None = None
    rank_at: Name | None = None
    rows: Positive | None = None
    jobs: Positive = 1

    @property
    def last(self) -> str:
        """Name of the last checkpoint."""
        return list(self.checkpoints)[-1]

    @property
    def steps(self) -> dict[str, int]:
        """Name -> training step of each checkpoint, as `steps_of`."""
        return steps_of({name: {"step": one.step} for name, one in self.checkpoints.items()})

    @property
    def folders(self) -> list[str]:
        """The folders of this machine among the checkpoints, in their order."""
        return [one.model for one in self.checkpoints.values() if one.local is not None]

    @property
    def revisions(self) -> list[str]:
        """The hub's revisions among the checkpoints, in their order."""
        found = [one.revision for one in self.checkpoints.values() if one.remote is not None]
        return [revision for revision in found if revision is not None]

    @property
    def repository(self) -> str | None:
        """The hub's repository that checkpoints are of, if some are."""
        return next((one.remote for one in self.checkpoints.values() if one.remote is not None), None)

    def steps_of(self, remote: bool) -> list[int]:
        """Training steps of the hub's checkpoints, or of those of this machine, in their order."""
        steps = self.steps
        return [steps[name] for name, one in self.checkpoints.items() if (one.remote is not None) == remote]

    @model_validator(mode="after")
    def _named(self) -> Trace:
        for key, name in (("at", self.at), ("rank_at", self.rank_at)):
            if name is not None and name not in self.checkpoints:
                raise ValueError(f"{key} is '{name}', but checkpoints has only {', '.join(self.checkpoints)}")
        return self

    @model_validator(mode="after")
    def _together(self) -> Trace:
        known = [checkpoint.step is not None for checkpoint in self.checkpoints.values()]
        if any(known) and not all(known):
            raise ValueError(
                "checkpoints: some have a 'step' and some have none; give it for all, or for none"
            )
        steps = list(self.steps.values())
        for revision in self.revisions:
            if self.revisions.count(revision) > 1:
                raise ValueError(f"checkpoints have the revision {revision} twice; name it once")
        for earlier, later in itertools.pairwise(self.steps):
            if self.steps[later] < self.steps[earlier]:
                raise ValueError(
                    f"checkpoints.{later} has the step {self.steps[later]}, but stands after {earlier} with "
                    f"{self.steps[earlier]}; write them in the order of the training"
                )
        places = list(map(os.path.abspath, self.folders))
        for place in places:
            if places.count(place) > 1:
                raise ValueError(f"checkpoints have the folder {place} twice; name it once")
        for name, step in self.steps.items():
            if steps.count(step) > 1:
                raise ValueError(f"checkpoints.{name} has the step {step}, and so has another one")
        remote = {one.remote for one in self.checkpoints.values() if one.remote is not None}
        if len(remote) > 1:
            raise ValueError(
                f"checkpoints are of the repositories {' and '.join(sorted(map(str, remote)))}; trace one "
                "model at a time"
            )
        shapes = {
            name: model_settings.shape(*model_settings.of_checkpoint(one.local))
            for name, one in self.checkpoints.items()
            if one.local is not None
        }
        for (first, shape), (name, other) in itertools.pairwise(shapes.items()):
            if shape != other:
                raise ValueError(
                    f"checkpoints: {first} and {name} are of models of different shapes; trace one at a time"
                )
        return self


def steps_of(checkpoints: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Name -> training step of each checkpoint; its place in the list where no step is given."""
    given = {name: checkpoint.get("step") for name, checkpoint in checkpoints.items()}
    return {name: place if step is None else step for place, (name, step) in enumerate(given.items())}


def without_training(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with what stands for a run that is not there.

    All rows are the window. They are read once, in `trace.jobs` parts, each of which counts as a step.

    Raises:
        ValueError: one sentence, when the section is wrong, or a checkpoint is named elsewhere.
    """
    for key, own in (("checkpoint", "at"), ("rank_at", "rank_at")):
        named = (config.get("attribution") or {}).get(key)
        if isinstance(named, str):
            raise ValueError(f"attribution.{key} is '{named}', but a trace names checkpoints in trace.{own}")
    try:
        trace = Trace.model_validate(config["trace"])
    except ValidationError as error:
        raise ValueError(sentences.of(error, "trace")) from None
    start = next(iter(trace.checkpoints.values()))
    model = dict(config["model"]) | {
        "checkpoint": start.model, "revision": start.revision, "published": {}, "settings": {},
    }  # fmt: skip
    run = {
        "steps": trace.jobs,
        "batch_size": 1,
        "order_seed": None,
        "checkpoints": list(trace.steps.values()),
        "evaluate_every": 1,
        "window": {"start": 0, "stop": trace.jobs, "branch": None},
        "optimizer": dict((config.get("run") or {}).get("optimizer") or {}),
    }
    attribution = dict(config["attribution"]) | {
        "checkpoint": trace.steps[trace.at or trace.last],
        "rank_at": trace.steps[trace.rank_at or trace.last],
    }
    studies: dict[str, Any] = {name: [] if name == "replications" else None for name in Studies.model_fields}
    # Influence at every checkpoint, where there are several.
    studies["time"] = {"checkpoints": list(trace.steps.values()), "select": False, "swap": False}
    return {**config, "model": model, "run": run, "attribution": attribution, "studies": studies}
