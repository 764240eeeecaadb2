"""Variants of the attribution: the configured one with one or two settings changed.

A variant's files lie in a folder of their own, `variants/{name}/`, laid out like those of the
configured attribution, which has none: `place` is that folder in a path, or ''. A name is made of the
changes: `strategy-kfac_damping-0.01`.
"""

from __future__ import annotations

from mda.config.experiment import Config
from mda.config.sections import Attribution
from mda.config.unit_sections import Target

# The variant that scores the targets of the study of specificity.
OTHER_UNITS = "other-units"
# Between two changes.
AND = "_"


def changes(name: str) -> list[tuple[str, str]]:
    """What a variant changes, and to what."""
    return [(key, value) for key, _, value in (change.partition("-") for change in name.split(AND))]


def place(variant: str | None) -> str:
    """Where a variant's files lie in the results."""
    return "" if variant is None else f"variants/{variant}/"


def names(config: Config) -> list[str]:
    """All variants that the studies ask for, but for `OTHER_UNITS`."""
    study, found = config.studies.curvature, strategies(config)
    if study is not None:
        fitted = config.attribution.fit.samples
        other = [f"damping-{value:g}" for value in study.dampings]
        other += [f"samples-{max(1, round(share * fitted))}" for share in study.samples]
        # The identity has no eigenvalues, and is fitted on nothing.
        fitting = [name for name in strategies(config) if name != "strategy-identity"]
        found += other + [f"{name}{AND}{change}" for name in fitting for change in other]
        # Of the choice of the fitted samples, and of their sampled labels.
        found += [f"seed-{seed}" for seed in study.seeds]
    return found + checkpoints(config)


def strategies(config: Config) -> list[str]:
    """Other curvatures, as variants."""
    return [f"strategy-{name}" for name in other_curvatures(config)]


def other_curvatures(config: Config) -> list[str]:
    """The study's curvatures but for the configured one."""
    study, configured = config.studies.curvature, config.attribution.fit.strategy
    return [] if study is None else [name for name in study.strategies if name != configured]


def checkpoints(config: Config) -> list[str]:
    """Influence at other checkpoints."""
    study = config.studies.time
    if study is None:
        return []
    # An untrained model has no curvature worth inverting.
    kept = (
        [step for step in config.run.checkpoints if step > 0]
        if study.checkpoints is None
        else study.checkpoints
    )
    return [f"checkpoint-{step}" for step in kept if step != config.attribution.checkpoint]


# A selection by influence at another checkpoint is at450-induction-1; by all, checkpoints-induction-1.
AT, ALL_CHECKPOINTS = "at", "checkpoints"


def step_of(method: str) -> int | None:
    """The checkpoint that a method of selection reads, of the methods by one other checkpoint."""
    step = method.removeprefix(AT)
    return int(step) if step != method and step.isdecimal() else None


def is_by_checkpoint(method: str) -> bool:
    """Whether a method of selection reads influence at other checkpoints."""
    return method == ALL_CHECKPOINTS or step_of(method) is not None


def checkpoint_methods(config: Config) -> list[str]:
    """The methods of selection by influence at other checkpoints, if the study of time selects by it."""
    if config.studies.time is None or not config.studies.time.select:
        return []
    steps = [dict(changes(name))["checkpoint"] for name in checkpoints(config)]
    return [*(f"{AT}{step}" for step in steps), ALL_CHECKPOINTS]


def attribution(config: Config, folder: str) -> Attribution:
    """The settings of the attribution in a folder, as `place` gives it."""
    settings = config.attribution
    name = _name(folder)
    for key, value in [] if name in ("", OTHER_UNITS) else changes(name):
        settings = _changed(settings, key, value)
    return settings


def fitted_in(folder: str) -> str:
    """The folder that has the factors of the attribution in a folder: damping changes none."""
    kept = [change for change in _name(folder).split(AND) if not change.startswith("damping-")]
    return place(AND.join(kept) or None)


def _name(folder: str) -> str:
    return folder.removeprefix("variants/").removesuffix("/")


def _changed(settings: Attribution, key: str, value: str) -> Attribution:
    if key == "damping":
        return settings.model_copy(update={"damping": float(value)})
    if key == "checkpoint":
        return settings.model_copy(update={"checkpoint": int(value)})
    change = {"strategy": value} if key == "strategy" else {key: int(value)}
    return settings.model_copy(update={"fit": settings.fit.model_copy(update=change)})


def targets(config: Config, folder: str) -> list[Target]:
    """The targets that the attribution in a folder scores."""
    if folder == place(OTHER_UNITS):
        assert config.studies.specificity is not None
        return config.studies.specificity.targets
    return config.targets
