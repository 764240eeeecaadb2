"""What must hold for studies, checked before any job starts."""

from __future__ import annotations

from mda.config.experiment import Config
from mda.config.study_sections import Datamodel


def check(config: Config) -> None:
    """Each study finds the checkpoints and samples that it asks for."""
    studies = config.studies
    dose = studies.dose
    replaced = dose is not None and any(curve.kind == "replace" for curve in dose.curves)
    if dose is not None and replaced and max(dose.fractions) > 0.5:
        raise ValueError(
            f"studies.dose: 'replace' at fraction {max(dose.fractions):g} has fewer unselected "
            "samples than places to fill"
        )
    for name, study in (("time", studies.time), ("ablation", studies.ablation)):
        for step in [] if study is None else study.checkpoints or []:
            if step not in config.run.checkpoints:
                raise ValueError(
                    f"studies.{name}.checkpoints names {step}, but run.checkpoints keeps only "
                    f"{', '.join(map(str, config.run.checkpoints))}; add it there"
                )
    if studies.time is not None and studies.time.select:
        kept = studies.time.checkpoints
        kept = config.run.checkpoints if kept is None else kept
        if not set(kept) - {0, config.attribution.checkpoint}:
            raise ValueError(
                "studies.time.select compares checkpoints, but there is only attribution.checkpoint; add one "
                "to run.checkpoints, or set select to false"
            )
    if studies.datamodel is not None:
        _datamodel(studies.datamodel)
    _replacements(config)
    repeated = [] if studies.contrasts is None else studies.contrasts.experiments
    for name, experiments in (("replications", studies.replications), ("contrasts.experiments", repeated)):
        if "all" in experiments:
            raise ValueError(f"studies.{name} names 'all', which stands for all of them; rename it")


def _datamodel(study: Datamodel) -> None:
    if not 0.5 <= study.share <= 0.95:
        raise ValueError(
            f"studies.datamodel.share is {study.share:g}; give 0.5 to 0.95, for what is left out is replaced "
            "by what is kept"
        )


def _replacements(config: Config) -> None:
    """Studies that replace do so at the main fraction."""
    studies, fraction = config.studies, config.main_fraction
    replacing = {
        "controls": studies.controls is not None and studies.controls.kind == "replace",
        "specificity": studies.specificity is not None and studies.specificity.kind == "replace",
    }
    for name, replaces in replacing.items():
        if replaces and fraction > 0.5:
            raise ValueError(
                f"studies.{name}: 'replace' at fraction {fraction:g} has fewer unselected samples than "
                "places to fill; set the study to null or its kind to mask"
            )
