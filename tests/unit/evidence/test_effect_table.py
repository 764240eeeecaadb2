"""Outcomes and statistics, on curves and samples whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from mda.evidence import effect_table, statistics
from mda.models.units import Head
from mda.planning.cell import BASE, Cell

STEPS = np.array([10.0, 20.0, 30.0, 40.0])


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([0.0, 0.4, 0.6, 0.7], (25.0, True)),
        ([0.0, 0.5, 0.4, 0.9], (20.0, True)),
        ([0.6, 0.7, 0.8, 0.9], (10.0, True)),
        ([0.0, 0.1, 0.2, 0.49], (40.0, False)),
    ],
)
def test_formation_step(curve, expected):
    assert statistics.formation(STEPS, np.array(curve), 0.5) == pytest.approx(expected)


def test_area_is_the_mean_of_the_curve():
    assert statistics.area(STEPS, np.array([1.0, 1.0, 1.0, 1.0])) == 1
    assert statistics.area(STEPS, np.array([0.0, 1.0, 2.0, 3.0])) == pytest.approx(1.5)


def run(cell, shift):
    steps = pd.DataFrame({"step": STEPS, "icl_score": -STEPS / 10, "held_out_loss": 1.0, "train_loss": 2.0})
    heads = pd.DataFrame(
        [
            {"step": step, "layer": 0, "head": head, "prefix_matching": (step - shift) / 40 + head}
            for step in STEPS
            for head in (0, 1)
        ]
    )
    return effect_table.curves(cell, steps, heads, {"unit": ([Head(0, 0)], "prefix_matching")})


def test_effects_are_paired_with_the_base_and_the_random_twin():
    cells = []
    for seed, noise in enumerate((0.0, 3.0, 6.0)):
        cells += [
            run(Cell(BASE, "none", 0.0, seed), noise),
            run(Cell("replace", "random", 0.1, seed), noise + 1),
            run(Cell("replace", "influence-unit", 0.1, seed), noise + 4 + seed),
            run(Cell("mask", "random", 0.1, seed), noise + 2),
        ]
    table = effect_table.outcomes(pd.concat(cells), 0.5)
    assert len(table) == 12
    found = effect_table.effects(table, 0.95).set_index(["outcome", "intervention", "selection"])
    line = found.loc["formation_step", "replace", "influence-unit"]
    assert (line["to_base"], line["to_random"]) == pytest.approx((5, 4))
    # Differences of 4, 5, 6: t = 5 / (1 / sqrt(3)) with two degrees of freedom.
    assert line["to_base_p"] == pytest.approx(0.0131, abs=1e-4)
    assert line["to_base_low"] == pytest.approx(5 - 4.3027 / np.sqrt(3), abs=1e-3)
    assert line["to_base_q"] >= line["to_base_p"]
    assert line["seeds"] == 3
    assert line["formed"] == 1
    assert found.loc["formation_step", "mask", "random"]["to_base"] == pytest.approx(2)
    assert np.isnan(found.loc["formation_step", "mask", "random"]["to_random"])
    assert np.isnan(found.loc["formation_step", BASE, "none"]["to_base"])
    assert found.loc["icl_area", "replace", "random"]["to_base"] == 0


def test_a_target_of_two_heads_is_their_mean():
    steps = pd.DataFrame({"step": [1], "icl_score": 0.0, "held_out_loss": 0.0, "train_loss": 0.0})
    heads = pd.DataFrame({"step": [1, 1], "layer": [0, 1], "head": [0, 0], "copying": [-1.0, -3.0]})
    found = effect_table.curves(
        Cell(BASE, "none", 0.0, 0), steps, heads, {"pair": ([Head(0, 0), Head(1, 0)], "copying")}
    )
    assert found["score"].tolist() == [-2.0]


@pytest.mark.parametrize(("kind", "smallest"), [("replace", 0.05), ("duplicate", 0.2)])
def test_the_smallest_fraction_with_an_effect(kind, smallest):
    """It is told by the corrected p-value, and pushes as the intervention does."""
    cells = pd.DataFrame(
        {
            "selection": "influence-unit",
            "intervention": kind,
            "better": "lower",
            "fraction": [0.01, 0.02, 0.05, 0.2],
            "to_random": [2.0, 2.0, 2.0, -3.0],
            "to_random_q": [0.06, 0.5, 0.01, 0.01],
        }
    )
    assert effect_table.smallest_fraction(cells, 0.95) == smallest
    assert np.isnan(effect_table.smallest_fraction(cells.iloc[:2], 0.95))


def test_influence_against_its_controls_knows_the_direction():
    cells = []
    for seed, noise in enumerate((0.0, 1.0, 3.0)):
        cells += [
            run(Cell("replace", "influence-unit", 0.1, seed), noise + 5),
            run(Cell("replace", "loss", 0.1, seed), noise + 2 + 0.1 * seed),
            run(Cell("replace", "random", 0.1, seed), noise + 9 - 0.1 * seed),
            # Not of this target.
            run(Cell("replace", "influence-other", 0.1, seed), noise),
            run(Cell("replace", "bm25-other", 0.1, seed), noise),
        ]
    table = effect_table.outcomes(pd.concat(cells), 0.5)
    found = effect_table.against_controls(table, "replace", 0.1, 0.95).set_index(["control", "outcome"])
    assert found.loc[("loss", "formation_step"), "beyond"] == pytest.approx(2.9)
    assert found.loc[("loss", "formation_step"), "stronger"]
    assert found.loc[("random", "formation_step"), "beyond"] == pytest.approx(-3.9)
    assert not found.loc[("random", "formation_step"), "stronger"]


def coupled(shared, own, seeds=4, runs=12):
    """Outcomes of seeds that differ much; the loss follows the metric, the ICL score both of them."""
    generator = np.random.default_rng(0)
    lines = []
    for seed in range(seeds):
        level = 10 * generator.normal()
        for run in range(runs + 1):
            score = generator.normal() if run else 0.0
            loss = -score + 0.5 * generator.normal() * bool(run)
            icl = shared * loss - own * score + 0.3 * generator.normal() * bool(run)
            lines.append(
                {"target": "unit", "intervention": "replace" if run else "base", "seed": seed,
                 "score_area": level + score, "icl_area": -level + icl, "held_out_area": loss}
            )  # fmt: skip
    return pd.DataFrame(lines)


def test_coupling_is_within_orders_and_beyond_the_loss():
    found = effect_table.coupling(coupled(shared=1.0, own=1.0), 0.95).set_index("runs_of")
    assert found.loc["all", "r_high"] < -0.8
    assert found.loc["all", "partial_r_high"] < -0.5
    assert found.loc["all", ["runs", "seeds"]].tolist() == [48, 4]
    # The ICL score that follows the loss alone is coupled by it alone.
    alone = effect_table.coupling(coupled(shared=1.0, own=0.0), 0.95).set_index("runs_of")
    assert alone.loc["all", "r_high"] < -0.5
    assert alone.loc["all", "partial_r_low"] < 0 < alone.loc["all", "partial_r_high"]


def test_levels_of_orders_are_no_coupling():
    found = effect_table.coupling(coupled(shared=0.0, own=0.0), 0.95).set_index("runs_of")
    assert found.loc["all", "r_low"] < 0 < found.loc["all", "r_high"]
    # Three runs of an order are no correlation.
    [few] = effect_table.coupling(coupled(1.0, 1.0, runs=3), 0.95).to_dict("records")
    assert few["runs_of"] == "all" and np.isnan([few["r"], few["r_low"], few["partial_r"]]).all()
