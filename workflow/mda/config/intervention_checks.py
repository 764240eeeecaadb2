"""What must hold for interventions, checked before any job starts."""

from __future__ import annotations

from pathlib import Path

from mda.config.experiment import Config, selections_of


def check(config: Config) -> None:
    """Each intervention has its controls, and enough samples and steps."""
    methods = {method for item in config.experiments.interventions for method in item.selections}
    if "influence" not in methods:
        raise ValueError("experiments.interventions: none has the selection 'influence'; add it to one")
    kinds = [intervention.kind for intervention in config.experiments.interventions]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"experiments.interventions names '{kind}' twice")
    for intervention in config.experiments.interventions:
        if "random" not in intervention.selections:
            raise ValueError(
                f"experiments.interventions: '{intervention.kind}' has no 'random' selection, "
                "without which no effect can be judged; add it"
            )
        for fraction in intervention.fractions or config.selection.fractions:
            if fraction not in config.selection.fractions:
                raise ValueError(
                    f"experiments.interventions: '{intervention.kind}' uses fraction {fraction:g}, "
                    "which selection.fractions does not list"
                )
            if intervention.kind == "replace" and fraction > 0.5:
                raise ValueError(
                    f"'replace' at fraction {fraction:g} has fewer unselected samples than places to fill"
                )
    _augmentation(config)


def _augmentation(config: Config) -> None:
    window, settings = config.run.window, config.experiments.augmentation
    steps = {"augmentation.at_step": settings.at_step}
    steps["duplicates_at_step"] = config.experiments.duplicates_at_step
    for key, step in steps.items():
        if step is not None and not window.origin <= step < window.stop:
            raise ValueError(
                f"experiments.{key} {step} lies outside the steps that branches run "
                f"({window.origin} to {window.stop - 1})"
            )
    methods = [
        method
        for intervention in config.experiments.interventions
        if intervention.kind == "augment"
        for method in intervention.selections
    ]
    known = [name for method in methods for name in selections_of(config, method)]
    for name, path in settings.motifs.items():
        if name not in known:
            raise ValueError(
                f"experiments.augmentation.motifs names '{name}', but the selections that 'augment' uses "
                f"are {', '.join(known) or 'none'}"
            )
        for seed in [*config.experiments.seeds, *(config.studies.seeds or [])]:
            file = path.replace("{seed}", str(seed))
            if not Path(file).is_file():
                raise ValueError(
                    f"experiments.augmentation.motifs.{name} names the file {file}, which does not exist; "
                    "run the experiment that makes it first"
                )
