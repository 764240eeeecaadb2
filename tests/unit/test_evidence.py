"""Outcomes and statistics, on curves and samples whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from mda import evidence, sections, statistics
from mda.cell import BASE, Cell
from mda.units import Head

STEPS = np.array([10.0, 20.0, 30.0, 40.0])
SETTINGS = sections.Evidence(threshold=0.5, confidence=0.95, resamples=999, seed=0)


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


def test_the_exact_p_value_of_equal_signs():
    found = statistics.paired_difference(np.arange(5) + 2.0, np.arange(5) + 1.5, 0.95, 9999, 0)
    assert found == pytest.approx((0.5, 0.5, 0.5, 2 / 2**5))


def test_one_seed_gives_no_interval():
    found = statistics.paired_difference(np.array([3.0]), np.array([1.0]), 0.95, 99, 0)
    assert found.mean == 2
    assert np.isnan([found.low, found.high, found.p_value]).all()


def test_p_values_are_uniform_and_intervals_cover_under_the_null():
    generator = np.random.default_rng(0)
    found = [
        statistics.paired_difference(generator.normal(size=12), generator.normal(size=12), 0.95, 499, seed)
        for seed in range(300)
    ]
    p_values = np.array([difference.p_value for difference in found])
    for level in (0.1, 0.25, 0.5):
        # Within four standard errors of the nominal rate.
        assert abs((p_values <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 300)
    covered = np.mean([difference.low <= 0 <= difference.high for difference in found])
    # The percentile bootstrap of 12 samples covers a little less than it says.
    assert 0.88 < covered < 0.98


def test_the_coverage_at_three_seeds_is_what_the_captions_say():
    generator = np.random.default_rng(1)
    found = [
        statistics.paired_difference(generator.normal(size=3), generator.normal(size=3), 0.95, 499, seed)
        for seed in range(300)
    ]
    covered = np.mean([difference.low <= 0 <= difference.high for difference in found])
    # All three differences on one side: a quarter of the time. Four standard errors.
    assert abs(covered - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 300)


def run(cell, shift):
    steps = pd.DataFrame({"step": STEPS, "icl_score": -STEPS / 10, "held_out_loss": 1.0, "train_loss": 2.0})
    heads = pd.DataFrame(
        [
            {"step": step, "layer": 0, "head": head, "prefix_matching": (step - shift) / 40 + head}
            for step in STEPS
            for head in (0, 1)
        ]
    )
    return evidence.curves(cell, steps, heads, {"unit": ([Head(0, 0)], "prefix_matching")})


def test_effects_are_paired_with_the_base_and_the_random_twin():
    cells = []
    for seed, noise in enumerate((0.0, 3.0, 6.0)):
        cells += [
            run(Cell(BASE, "none", 0.0, seed), noise),
            run(Cell("replace", "random", 0.1, seed), noise + 1),
            run(Cell("replace", "influence-unit", 0.1, seed), noise + 5),
            run(Cell("mask", "random", 0.1, seed), noise + 2),
        ]
    table = evidence.outcomes(pd.concat(cells), 0.5)
    assert len(table) == 12
    found = evidence.effects(table, SETTINGS).set_index(["outcome", "intervention", "selection"])
    line = found.loc["formation_step", "replace", "influence-unit"]
    assert (line["to_base"], line["to_random"]) == pytest.approx((5, 4))
    assert line["to_base_p"] == pytest.approx(0.25)
    assert line["seeds"] == 3
    assert line["formed"] == 1
    assert found.loc["formation_step", "mask", "random"]["to_base"] == pytest.approx(2)
    assert np.isnan(found.loc["formation_step", "mask", "random"]["to_random"])
    assert np.isnan(found.loc["formation_step", BASE, "none"]["to_base"])
    assert found.loc["icl_area", "replace", "random"]["to_base"] == 0


def test_a_target_of_two_heads_is_their_mean():
    steps = pd.DataFrame({"step": [1], "icl_score": 0.0, "held_out_loss": 0.0, "train_loss": 0.0})
    heads = pd.DataFrame({"step": [1, 1], "layer": [0, 1], "head": [0, 0], "copying": [-1.0, -3.0]})
    found = evidence.curves(
        Cell(BASE, "none", 0.0, 0), steps, heads, {"pair": ([Head(0, 0), Head(1, 0)], "copying")}
    )
    assert found["score"].tolist() == [-2.0]
