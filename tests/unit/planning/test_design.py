"""Which trainings an experiment has, and their names."""

import pytest

from mda.config import consistency
from mda.planning import design, variants
from mda.planning.cell import BASE, Cell


def test_the_design_has_every_cell_and_its_twin(default):
    checked = consistency.check(default)
    cells = design.cells(checked)
    assert len(set(cells)) == len(cells) == 4 * (1 + 4 + 4 + 2 + 2)
    assert {design.branch(cell) for cell in cells} >= {"base", "replace/influence-induction-1/top-10"}
    for cell in cells:
        if cell.intervention != BASE:
            assert cell._replace(selection="random") in cells
            assert Cell(BASE, "none", 0.0, cell.seed) in cells


def test_the_configured_curvature_is_no_other(override):
    checked = consistency.check(override("attribution.fit.strategy", "kfac"))
    assert variants.strategies(checked) == ["strategy-identity", "strategy-diagonal"]
    assert "kfac-induction-1" not in {cell.selection for cell in design.study_cells(checked)}


def test_every_curvature_is_asked_at_every_damping_and_number_of_samples(override):
    checked = consistency.check(override("studies.curvature.strategies", ["identity", "kfac"]))
    names = variants.names(checked)
    both = "strategy-kfac_damping-0.01"
    assert {both, "strategy-kfac_samples-125", "damping-0.01", "strategy-kfac"} <= set(names)
    assert not [name for name in names if name.startswith("strategy-identity_")]
    found = variants.attribution(checked, variants.place(both))
    assert (found.fit.strategy, found.damping) == ("kfac", 0.01)
    assert found.fit.samples == checked.attribution.fit.samples
    # What is fitted does not depend on the damping.
    fitted = {name: variants.fitted_in(variants.place(name)) for name in (both, "damping-0.01", "seed-1")}
    assert fitted == {
        both: "variants/strategy-kfac/", "damping-0.01": "", "seed-1": "variants/seed-1/",
    }  # fmt: skip


def test_removals_that_are_configured_are_judged_without_any_study(override):
    """So that `snakemake evidence` has what `snakemake` has."""
    nothing = {"dose": None, "controls": None, "specificity": None, "time": None, "datamodel": None}
    checked = consistency.check(override("studies", {**override("experiment", None)["studies"], **nothing}))
    assert set(design.study_cells(checked)) == set(design.cells(checked))


@pytest.mark.parametrize(
    ("interventions", "kind"),
    [
        ([("replace", ["influence", "random"])], None),
        ([("replace", ["influence", "random", "loss"])], "replace"),
        ([("replace", ["influence", "random"]), ("mask", ["influence", "random", "repetition"])], "mask"),
        ([(kind, ["influence", "random", "loss"]) for kind in ("mask", "replace")], "replace"),
        (
            [("replace", ["influence", "random", "loss"]), ("mask", ["influence", "random", "bm25", "loss"])],
            "mask",
        ),
        # Against nothing it could be seen how much influence does.
        ([("replace", ["influence", "loss"])], None),
        # Nothing is taken away by it.
        ([("duplicate", ["influence", "random", "loss"])], None),
        ([("replace", ["random", "loss"])], None),
    ],
)
def test_ways_to_select_are_compared_where_runs_of_several_remove(interventions, kind):
    cells = [
        Cell(of, "influence-unit" if method == "influence" else method, 0.1, 0)
        for of, methods in interventions
        for method in methods
    ]
    assert design.compared_kind(cells, 0.1) == kind
    assert design.compared_kind(cells, 0.2) is None


def test_every_seed_has_draws_of_its_own():
    """Samples at random are drawn anew for every order; what is chosen by a score is one for all."""
    draws = {design.place_of_selection("replace/random/top-10", seed) for seed in range(3)}
    assert draws == {f"random/draw-{seed}/top-10" for seed in range(3)}
    assert design.place_of_selection("mask/matched-a-b/top-2.5", 7) == "matched-a-b/draw-7/top-2.5"
    for branch in ("replace/influence-a/top-10", "replace/subset/draw-5/top-50"):
        assert {design.place_of_selection(branch, seed) for seed in range(3)} == {branch.partition("/")[2]}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("loss", ("loss", None, None)),
        ("gradient_norm-a-b", ("gradient_norm", "a-b", None)),
        ("random/draw-3", ("random", None, 3)),
        ("matched-a-b/draw-0", ("matched", "a-b", 0)),
    ],
)
def test_names_of_selections(name, parts):
    assert design.Selection.parse(name) == parts


@pytest.mark.parametrize(("fraction", "text"), [(0.1, "10"), (0.025, "2.5"), (0.07, "7"), (0.001, "0.1")])
def test_percentages_in_paths(fraction, text):
    assert design.percent(fraction) == text
