"""The design of the experiment: which selections, branches and runs there are.

Plain names and numbers, for the rules to make paths of; no file is read here.
"""

from __future__ import annotations

from mda import config
from mda.cell import BASE, Cell


def percent(fraction: float) -> str:
    """A fraction as it stands in a path: 0.1 is '10', 0.025 is '2.5'."""
    return f"{100 * fraction:.6g}"


def cells(settings: config.Config) -> list[Cell]:
    """Every run, the base's first."""
    found = [Cell(BASE, "none", 0.0, seed) for seed in settings.experiments.seeds]
    for intervention in settings.experiments.interventions:
        for method in intervention.selections:
            for selection in config.selections_of(settings, method):
                for fraction in intervention.fractions or settings.selection.fractions:
                    found += [
                        Cell(intervention.kind, selection, fraction, seed)
                        for seed in settings.experiments.seeds
                    ]
    return found


def branch(cell: Cell) -> str:
    """A cell's folder, without its seed: 'base' or 'replace/random/top-10'."""
    if cell.intervention == BASE:
        return BASE
    return f"{cell.intervention}/{cell.selection}/top-{percent(cell.fraction)}"


def method_and_target(selection: str) -> tuple[str, str | None]:
    """A selection's method, and the target whose influence it reads, if it does."""
    method, _, target = selection.partition("-")
    return method, target or None


def fraction_of(settings: config.Config, text: str) -> float:
    """The configured fraction of a path's percentage."""
    return next(fraction for fraction in settings.selection.fractions if percent(fraction) == text)


def insertion_step(settings: config.Config, folder: str) -> int | None:
    """The step at which a branch inserts all its samples, if there is one such step."""
    return settings.experiments.augmentation.at_step if folder.startswith("augment/") else None


def main_fraction(settings: config.Config) -> float:
    """The fraction that single figures show: the one nearest to the paper's 10 %."""
    return min(settings.selection.fractions, key=lambda fraction: abs(fraction - 0.1))


def shown_selections(settings: config.Config, target: str) -> list[str]:
    """The selections that a target's figures compare: its own influence, and the controls used."""
    used = {cell.selection for cell in cells(settings)} - {"none"}
    controls = sorted(name for name in used if not name.startswith("influence-"))
    return [f"influence-{target}", *controls]
