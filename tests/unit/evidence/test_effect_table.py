"""Outcomes and statistics, on curves and samples whose answer is known."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from mda.config.study_sections import Contrast
from mda.evidence import curve_table, effect_table, statistics
from mda.models.units import MLP, Attention, Head
from mda.planning.cell import BASE, Cell

BASE_CELL = Cell(BASE, "none", 0.0, 0)
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
    return curve_table.curves(cell, steps, heads, {"unit": ([Head(0, 0)], "prefix_matching")})


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
    found = curve_table.curves(
        Cell(BASE, "none", 0.0, 0), steps, heads, {"pair": ([Head(0, 0), Head(1, 0)], "copying")}
    )
    assert found["score"].tolist() == [-2.0]


def test_a_whole_attention_is_the_mean_of_its_heads_and_a_probe_its_own_column():
    steps = pd.DataFrame({"step": [1], "icl_score": 0.0, "held_out_loss": 0.0, "train_loss": 0.0})
    steps["probe asked"] = -0.5
    heads = pd.DataFrame({"step": 1, "layer": [0, 0, 1], "head": [0, 1, 0], "copying": [-1.0, -2.0, -9.0]})
    targets = {"whole": ([Attention(0)], "copying"), "asked": ([MLP(1)], "probe")}
    found = curve_table.curves(Cell(BASE, "none", 0.0, 0), steps, heads, targets)
    assert dict(zip(found["target"], found["score"], strict=True)) == {"whole": -1.5, "asked": -0.5}


CLASS = {
    "class": ([Head(1, 0)], "best_prefix_matching"),
    "head": ([Head(1, 0)], "prefix_matching"),
}


def competing(scores, cell=BASE_CELL):
    """Curves of a run of two layers of two heads, whose scores are given step by step."""
    steps = pd.DataFrame({"step": STEPS, "icl_score": 0.0, "held_out_loss": 0.0, "train_loss": 0.0})
    heads = pd.DataFrame(
        {"step": step, "layer": place // 2, "head": place % 2, "prefix_matching": score}
        for step, of_step in zip(STEPS, scores, strict=True)
        for place, score in enumerate(of_step)
    )
    return curve_table.curves(cell, steps, heads, CLASS)


def test_a_class_is_the_best_head_whichever_it_is_and_the_sum_over_all():
    """Heads L1H0 and L0H1 compete: first the one leads, then the other, which is not of the class."""
    scores = [[0.1, 0.0, 0.2, 0.0], [0.1, 0.2, 0.3, 0.0], [0.1, 0.6, 0.4, 0.1], [0.1, 0.8, 0.3, 0.2]]
    curves = competing(scores).set_index("target")
    assert curves.loc["class", "score"].tolist() == pytest.approx([0.2, 0.3, 0.6, 0.8])
    assert curves.loc["class", "score_sum"].tolist() == pytest.approx([0.3, 0.6, 1.2, 1.4])
    assert curves.loc["head", "score"].tolist() == pytest.approx([0.2, 0.3, 0.4, 0.3])
    soft = [0.05 * np.log(np.exp(np.array(of_step) / 0.05).sum()) for of_step in scores]
    assert curves.loc["class", "score_soft_max"].tolist() == pytest.approx(soft)
    assert curves.loc["head", ["score_sum", "score_soft_max"]].isna().all(axis=None)
    found = effect_table.outcomes(curves.reset_index(), 0.5, 0.9).set_index("target")
    # From 0.3 at step 20 to 0.6 at 30; the sum from 0.6 to 1.2.
    assert found.loc["class", "formation_step"] == pytest.approx(20 + 10 * 2 / 3)
    assert found.loc["class", "sum_formation_step"] == pytest.approx(25)
    assert found.loc["class", ["formed", "sum_formed"]].tolist() == [True, 1.0]
    assert found.loc["class", "score_area"] == pytest.approx((0.1 + 0.3 + 0.6 + 0.4) / 3)
    assert found.loc["class", "sum_area"] == pytest.approx((0.15 + 0.6 + 1.2 + 0.7) / 3)
    assert found.loc["class", ["score_final", "sum_final"]].tolist() == pytest.approx([0.8, 1.4])
    assert not found.loc["head", "formed"]
    assert found.loc["head", [name for name in found if name.startswith("sum_")]].isna().all()


def test_effects_have_the_sum_of_a_class_and_of_nothing_else():
    runs = []
    for seed, noise in enumerate((0.0, 0.01, 0.02)):
        for cell, lower in (("base", 0.0), ("random", 0.1), ("influence-class", 0.3)):
            grown = [[0.0, 0.0, max(0.0, step / 40 - lower - noise), 0.1] for step in STEPS]
            kind, fraction = ("replace", 0.1) if cell != "base" else (BASE, 0.0)
            runs.append(competing(grown, Cell(kind, "none" if cell == "base" else cell, fraction, seed)))
    found = effect_table.effects(effect_table.outcomes(pd.concat(runs), 0.5, 0.9), 0.95)
    assert set(found.loc[found["target"] == "class", "outcome"]) == set(effect_table.OUTCOMES)
    others = {name for name in effect_table.OUTCOMES if not name.startswith("sum_")}
    assert set(found.loc[found["target"] == "head", "outcome"]) == others
    lines = found[found["target"] == "class"].set_index(["outcome", "selection"])
    # The best head and the sum reach 0.7 and 0.8 at most: the one threshold is passed, the other is not.
    assert lines.loc[("formation_step", "influence-class"), "formed"] == 1
    assert lines.loc[("sum_formation_step", "influence-class"), "formed"] == 0
    assert lines.loc[("sum_formation_step", "none"), "formed"] == 1
    assert lines.loc[("formation_step", "influence-class"), "to_random"] == pytest.approx(8)
    assert lines.loc[("sum_final", "influence-class"), "to_random"] == pytest.approx(-0.2)


def test_contrasts_can_be_planned_of_every_outcome():
    assert set(get_args(Contrast.model_fields["outcome"].annotation)) == set(effect_table.OUTCOMES)


def test_a_sum_that_begins_above_its_threshold_has_no_formation():
    """Even attention makes a sum, too: 144 heads on sequences of 64 tokens have 1.5 before anything forms."""
    steps = np.arange(4.0)
    found = effect_table._of_sum(steps, np.array([1.5, 1.6, 2.0, 3.0]), 0.5)
    assert np.isnan([found["sum_formation_step"], found["sum_formed"]]).all()
    assert found["sum_final"] == 3.0
    assert effect_table._of_sum(steps, np.array([0.0, 1.0, 2.0, 3.0]), 0.5)["sum_formation_step"] == 0.5
