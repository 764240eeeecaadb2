"""The statistics on simulated data: intervals cover and p-values are uniform at their nominal rates."""

import numpy as np
import pytest
from scipy import stats

from mda.evidence import statistics

RUNS = 1500


def near(rate, nominal, runs=RUNS):
    """Within four standard errors of the nominal rate."""
    return abs(rate - nominal) < 4 * np.sqrt(nominal * (1 - nominal) / runs)


@pytest.mark.parametrize(("seeds", "shift"), [(3, 0.0), (4, 2.0), (8, 0.0)])
def test_paired_differences_cover_at_their_nominal_rate(seeds, shift):
    generator = np.random.default_rng(seeds)
    found = [
        statistics.paired_difference(generator.normal(shift, 2, seeds), generator.normal(0, 1, seeds), 0.9)
        for _ in range(RUNS)
    ]
    assert near(np.mean([difference.low <= shift <= difference.high for difference in found]), 0.9)
    if shift == 0:
        p_values = np.array([difference.p_value for difference in found])
        for level in (0.05, 0.25, 0.5):
            assert near((p_values <= level).mean(), level)


@pytest.mark.parametrize("seeds", [3, 5])
def test_what_is_detectable_is_found_four_times_out_of_five(seeds):
    generator = np.random.default_rng(0)
    shift = statistics.detectable_shift(seeds, 0.95) / np.sqrt(seeds)
    hits = [
        statistics.paired_difference(generator.normal(shift, 1, seeds), np.zeros(seeds), 0.95).p_value < 0.05
        for _ in range(RUNS)
    ]
    assert near(np.mean(hits), statistics.POWER)


@pytest.mark.parametrize(
    ("share", "mean_step", "forms"),
    [(1.0, 61, True), (0.5, 61, True), (0.4, 61, False), (1.0, 60, False), (0.0, 240, False)],
)
def test_a_unit_forms_in_the_window(share, mean_step, forms):
    """In at least half of the base runs, and on average after the start."""
    assert statistics.forms_in_window(share, mean_step, 60) is forms


def test_one_seed_gives_no_interval():
    found = statistics.paired_difference(np.array([3.0]), np.array([1.0]), 0.95)
    assert found.mean == 2
    assert np.isnan(found[1:]).all()


def test_runs_that_did_the_same_show_nothing():
    same = statistics.paired_difference(np.full(4, 240.0), np.full(4, 240.0), 0.95)
    assert (same.mean, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    # A difference without any spread is no evidence of a spread of zero.
    assert np.isnan(statistics.paired_difference(np.full(4, 3.0), np.full(4, 1.0), 0.95).p_value)


def test_a_family_of_tests_keeps_the_chance_of_any_false_one():
    """Whether the others are null or not."""
    generator = np.random.default_rng(0)
    any_false = {0: 0, 2: 0}
    for real in any_false:
        for _ in range(RUNS):
            values = [*generator.beta(0.02, 1, real), *generator.random(4)]
            any_false[real] += min(statistics.family_adjusted(values)[real:]) < 0.1
    assert near(any_false[0] / RUNS, 0.1)
    assert any_false[2] / RUNS < 0.1 + 4 * np.sqrt(0.09 / RUNS)
    # Holm's own example of steps: 4 x the least, 3 x the next, never below the one before.
    assert statistics.family_adjusted([0.04, 0.01, 0.011, 0.5]) == pytest.approx([0.08, 0.04, 0.04, 0.5])


def test_corrected_p_values_keep_the_false_discovery_rate():
    generator = np.random.default_rng(0)
    wrong = []
    for _ in range(400):
        null, real = generator.random(15), generator.beta(0.02, 1, 5)
        found = statistics.adjusted(np.concatenate([null, [np.nan], real])) < 0.1
        wrong.append(found[:15].sum() / max(1, found.sum()))
        assert not found[15]
    assert np.mean(wrong) < 0.1
    assert np.isnan(statistics.adjusted(np.array([np.nan]))).all()


@pytest.mark.parametrize(("number", "true"), [(12, 0.0), (40, 0.6)])
def test_rank_correlations_cover(number, true):
    generator = np.random.default_rng(1)
    # Spearman's of a normal pair whose Pearson's is `true`.
    expected = 6 / np.pi * np.arcsin(true / 2)
    hits = []
    for _ in range(600):
        one, noise = generator.normal(size=(2, number))
        found = statistics.rank_correlation(one, true * one + np.sqrt(1 - true**2) * noise, 0.95)
        hits.append(found.low <= expected <= found.high)
    assert 0.92 < np.mean(hits) < 0.985


def test_a_correlation_with_a_constant_is_none():
    line = np.arange(6.0)
    assert np.isnan(statistics.rank_correlation(line, np.ones(6), 0.95).value)
    assert np.isnan(statistics.correlation(line, np.ones(6), 0.95).value)
    assert statistics.rank_correlation(line, line**3, 0.95) == pytest.approx((1, 1, 1))


def test_areas_under_the_curve_cover():
    generator = np.random.default_rng(2)
    hits = []
    for _ in range(600):
        found = statistics.auroc(generator.normal(1, 1, 30), generator.normal(0, 1, 40), 0.95)
        # P(N(1, 2) > 0)
        hits.append(found.low <= 0.76025 <= found.high)
    assert 0.91 < np.mean(hits) < 0.98


def test_the_area_under_the_curve_counts_pairs():
    positive, negative = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0])
    expected = np.mean([(p > n) + (p == n) / 2 for p in positive for n in negative])
    assert statistics.auroc(positive, negative, 0.95).value == pytest.approx(expected)


def test_proportions_cover():
    generator = np.random.default_rng(3)
    found = [statistics.proportion(int(generator.binomial(40, 0.1)), 40, 0.95) for _ in range(RUNS)]
    assert 0.93 < np.mean([share.low <= 0.1 <= share.high for share in found]) < 0.985


def test_many_tests_at_once_are_those_of_one_after_the_other():
    differences = np.vstack(
        [np.random.default_rng(0).normal(1, 2, (20, 4)), np.full((1, 4), 3.0), np.zeros((1, 4))]
    )
    one_by_one = [statistics.paired_difference(row, np.zeros(4), 0.95).p_value for row in differences]
    found = statistics.paired_p_values(differences)
    assert np.isnan(found[20:]).all()
    np.testing.assert_allclose(found[:20], one_by_one[:20])


def test_interval_and_test_are_scipys():
    values = np.random.default_rng(0).normal(1, 2, (20, 4))
    theirs = stats.ttest_1samp(values, 0.0, axis=1)
    interval = theirs.confidence_interval(0.9)
    for number, row in enumerate(values):
        found = statistics.paired_difference(row, np.zeros(4), 0.9)
        expected = (row.mean(), interval.low[number], interval.high[number], theirs.pvalue[number])
        assert found[:4] == pytest.approx(expected, rel=1e-9)
