"""The design of the experiment: which selections, branches and runs there are.

Plain names and numbers, for the rules to make paths of; no file is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mda.config import experiment, sections
from mda.planning import variants
from mda.planning.cell import BASE, Cell


def percent(fraction: float) -> str:
    """A fraction as it stands in a path: 0.1 is '10', 0.025 is '2.5'."""
    return f"{100 * fraction:.6g}"


def cells(settings: experiment.Config) -> list[Cell]:
    """Every run of the configured interventions, the base's first."""
    return _interventions(settings, settings.experiments.seeds, settings.experiments.interventions)


def study_cells(settings: experiment.Config) -> list[Cell]:
    """Every run that the studies compare, over their seeds."""
    studies = settings.studies
    seeds = studies.seeds or settings.experiments.seeds
    found = _interventions(settings, seeds, settings.experiments.interventions)

    def add(kind: str, methods: Sequence[str], fractions: Sequence[float]) -> None:
        for method in methods:
            for selection in experiment.selections_of(settings, method):
                found.extend(Cell(kind, selection, part, seed) for part in fractions for seed in seeds)

    main = [settings.main_fraction]
    if studies.dose is not None:
        for curve in studies.dose.curves:
            add(curve.kind, curve.selections, studies.dose.fractions)
    if studies.controls is not None:
        add(studies.controls.kind, ["influence", *studies.controls.selections], main)
        add(studies.controls.kind, variants.other_curvatures(settings), main)
    if studies.specificity is not None:
        kind = studies.specificity.kind
        add(kind, ["influence", "random"], main)
        for target in studies.specificity.targets:
            found += [Cell(kind, f"influence-{target.name}", main[0], seed) for seed in seeds]
    if studies.time is not None and studies.time.swap:
        add("replace", ["influence", "random"], main)
        add("swap", ["influence"], main)
    if methods := variants.checkpoint_methods(settings):
        add("replace", ["influence", "random"], main)
        names = [f"{method}-{target.name}" for target in settings.targets for method in methods]
        found += [Cell("replace", name, main[0], seed) for name in names for seed in seeds]
    return list(dict.fromkeys(found))


def compared_kind(cells_of: Sequence[Cell], fraction: float) -> str | None:
    """The intervention at which ways to select are compared in some runs; None where none of them can be.

    It is the removal in which most other ways select the samples, beside influence and random; of two with as
    many, that which replaces, as in the planned test.
    """
    controls = {}
    for kind in ("replace", "mask"):
        mine = [cell for cell in cells_of if cell.intervention == kind and cell.fraction == fraction]
        methods = {Selection.parse(cell.selection).method for cell in mine}
        if {"influence", "random"} <= methods:
            others = {method for method in methods if not variants.is_by_checkpoint(method)}
            controls[kind] = len(others - {"influence", "random"})
    best = max(controls, key=lambda kind: controls[kind], default=None)
    return best if best is not None and controls[best] > 0 else None


def subset_cells(settings: experiment.Config) -> list[Cell]:
    """The runs on random subsets of the window, subset by subset, each in the orders of the first seeds.

    What is left out is replaced by what is kept: with batches of half the size no unit may form.
    """
    study = settings.studies.datamodel
    if study is None:
        return []
    seeds = (settings.studies.seeds or settings.experiments.seeds)[: study.orders]
    left_out = round(1 - study.share, 6)
    subsets = [f"subset{DRAW}{number}" for number in range(study.subsets)]
    return [Cell("replace", subset, left_out, seed) for subset in subsets for seed in seeds]


def linearity_cells(settings: experiment.Config) -> list[Cell]:
    """The orders that are walked through, and the same with samples masked."""
    study, walks = settings.studies.linearity, settings.trajectory
    if study is None or walks is None:
        return []
    found = [Cell(BASE, "none", 0.0, order) for order in walks.orders]
    for method in study.selections:
        for selection in experiment.selections_of(settings, method):
            for fraction in study.fractions:
                found += [Cell("mask", selection, fraction, order) for order in walks.orders]
    return found


def _interventions(
    settings: experiment.Config, seeds: Sequence[int], interventions: Sequence[sections.Intervention]
) -> list[Cell]:
    if settings.trace is not None:
        return []
    found = [Cell(BASE, "none", 0.0, seed) for seed in seeds]
    for intervention in interventions:
        for method in intervention.selections:
            for selection in experiment.selections_of(settings, method):
                for fraction in intervention.fractions or settings.selection.fractions:
                    found += [Cell(intervention.kind, selection, fraction, seed) for seed in seeds]
    return found


def branch(cell: Cell) -> str:
    """A cell's folder, without its seed: 'base' or 'replace/random/top-10'."""
    if cell.intervention == BASE:
        return BASE
    return f"{cell.intervention}/{cell.selection}/top-{percent(cell.fraction)}"


DRAW = "/draw-"


class Selection(NamedTuple):
    """What the name of a selection says: 'loss', 'influence-pair', 'random/draw-3', 'matched-pair/draw-3'.

    Attributes:
        target: whose influence, or probe, it reads, if it does.
        draw: which of the draws at random it is, if it is one; by trajectory, the seed of the order.
    """

    method: str
    target: str | None
    draw: int | None

    @classmethod
    def parse(cls, name: str) -> Selection:
        """Read a name."""
        rest, _, draw = name.partition(DRAW)
        method, _, target = rest.partition("-")
        return cls(method, target or None, int(draw) if draw else None)


def drawn(selection: str, seed: int) -> str:
    """The selection that a run of this seed has: of those at random, each seed has a draw of its own.

    Else the intervals over seeds would leave out by how much one draw differs from another. By trajectory, it
    is that of the seed's own order.
    """
    own = Selection.parse(selection).method in ("random", "matched", "trajectory")
    return f"{selection}{DRAW}{seed}" if own else selection


def place_of_selection(branch: str, seed: int) -> str:
    """The selection of a branch's run as a path: 'random/draw-3/top-10' of 'replace/random/top-10'."""
    selection, _, top = branch.partition("/")[2].rpartition("/")
    return f"{drawn(selection, seed)}/{top}"


def variant_of(settings: experiment.Config, method: str, target: str | None) -> str | None:
    """The variant of the attribution that a selection reads; None for the configured one."""
    if method in ("identity", "diagonal", "kfac"):
        return f"strategy-{method}"
    if (step := variants.step_of(method)) is not None:
        return f"checkpoint-{step}"
    others = settings.studies.specificity
    if others is not None and target in {other.name for other in others.targets}:
        return variants.OTHER_UNITS
    return None


def fraction_of(text: str) -> float:
    """The fraction of a path's percentage."""
    return round(float(text) / 100, 10)


def insertion_step(settings: experiment.Config, folder: str) -> int | None:
    """The step at which a branch inserts all its samples, if there is one such step."""
    experiments = settings.experiments
    steps = {"augment": experiments.augmentation.at_step, "duplicate": experiments.duplicates_at_step}
    return steps.get(folder.partition("/")[0])


def first_draws(settings: experiment.Config, selections: Sequence[str]) -> list[str]:
    """The selections themselves, those at random by the draw of the first seed."""
    return [drawn(selection, settings.experiments.seeds[0]) for selection in selections]


def shown_selections(settings: experiment.Config, target: str) -> list[str]:
    """The selections that a target's figures compare: its own influence, and the controls used."""
    used = {cell.selection for cell in cells(settings)} - {"none"}
    controls = sorted(name for name in used if not name.startswith("influence-"))
    return [f"influence-{target}", *controls]
