"""Outcomes and statistics, on curves and samples whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from mda.evidence import effect_table, statistics
from mda.models.units import MLP, Attention, Head
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


def test_a_whole_attention_is_the_mean_of_its_heads_and_a_probe_its_own_column():
    steps = pd.DataFrame({"step": [1], "icl_score": 0.0, "held_out_loss": 0.0, "train_loss": 0.0})
    steps["probe asked"] = -0.5
    heads = pd.DataFrame({"step": 1, "layer": [0, 0, 1], "head": [0, 1, 0], "copying": [-1.0, -2.0, -9.0]})
    targets = {"whole": ([Attention(0)], "copying"), "asked": ([MLP(1)], "probe")}
    found = effect_table.curves(Cell(BASE, "none", 0.0, 0), steps, heads, targets)
    assert dict(zip(found["target"], found["score"], strict=True)) == {"whole": -1.5, "asked": -0.5}
