"""The interval over models and orders: a textbook case, and its coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from mda.evidence import two_sources


def test_a_case_by_hand():
    """Two models of two orders: means 2 and 6, squares within 2 and 8."""
    found = two_sources.nested_difference([np.array([1.0, 3.0]), np.array([4.0, 8.0])], 0.95)
    assert found.difference.mean == 4
    # The spread of the means is 2.828, so the error is 2, with one degree of freedom.
    assert found.difference.high - 4 == pytest.approx(2 * stats.t.ppf(0.975, 1))
    assert found.difference.p_value == pytest.approx(2 * stats.t.sf(2, 1))
    assert found.within == pytest.approx(np.sqrt(10 / 2))
    # Of the means' variance, 8, a half of 5 is of the orders.
    assert found.between == pytest.approx(np.sqrt(8 - 5 / 2))


def test_of_equal_sizes_the_test_is_that_of_the_analysis_of_variance():
    """F = models * orders * mean^2 / mean square between models."""
    values = np.random.default_rng(0).normal(3, 1, (5, 4)) + np.random.default_rng(1).normal(0, 2, (5, 1))
    found = two_sources.nested_difference(list(values), 0.95)
    means = values.mean(axis=1)
    between = 4 * ((means - means.mean()) ** 2).sum() / 4
    assert found.difference.p_value == pytest.approx(stats.f.sf(20 * means.mean() ** 2 / between, 1, 4))


def test_models_that_vary_less_than_their_orders_have_no_spread_of_their_own():
    found = two_sources.nested_difference([np.array([-9.0, 11.0]), np.array([12.0, -8.0])], 0.95)
    assert found.between == 0
    assert found.within == pytest.approx(np.sqrt(200))


def test_one_order_each_does_not_tell_the_two_apart():
    found = two_sources.nested_difference([np.array([1.0]), np.array([2.0]), np.array([4.0])], 0.95)
    assert np.isnan(found.between)
    assert np.isnan(found.within)
    assert found.difference.low < 7 / 3 < found.difference.high
    one = two_sources.nested_difference([np.array([1.0, 2.0])], 0.95)
    assert np.isnan(one.difference.low)
    assert np.isnan(one.between)
    assert one.within == pytest.approx(np.sqrt(0.5))


CASES = {
    "orders alone": (0.0, 3.0, [4] * 8),
    "both": (2.0, 3.0, [4] * 8),
    "models above all": (5.0, 1.0, [16] * 4),
    "some orders are missing": (2.0, 3.0, [4, 4, 4, 3, 2, 4, 4, 3]),
}
TRIALS = 1500


@pytest.mark.parametrize("case", CASES)
def test_the_interval_has_the_true_mean_as_often_as_it_says(case):
    between, within, sizes = CASES[case]
    generator = np.random.default_rng(0)
    hits, variances = 0, []
    for _ in range(TRIALS):
        models = [1.5 + generator.normal(0, between) + generator.normal(0, within, size) for size in sizes]
        found = two_sources.nested_difference(models, 0.9)
        hits += found.difference.low <= 1.5 <= found.difference.high
        variances.append((found.between**2, found.within**2))
    # Three standard deviations of a share.
    assert hits / TRIALS == pytest.approx(0.9, abs=3 * np.sqrt(0.9 * 0.1 / TRIALS))
    found_between, found_within = np.mean(variances, axis=0)
    assert found_within == pytest.approx(within**2, rel=0.05)
    # An estimate that is below zero counts as zero, so that it is too high where there is none.
    assert between == 0 or found_between == pytest.approx(between**2, rel=0.15)


def test_orders_as_if_they_were_models_would_be_too_narrow():
    """That the simulation can tell: pooled differences miss the mean far too often."""
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        models = 1.5 + generator.normal(0, 5, (4, 1)) + generator.normal(0, 1, (4, 16))
        interval = stats.ttest_1samp(models.ravel(), 0).confidence_interval(0.9)
        hits += interval.low <= 1.5 <= interval.high
    assert hits / 500 < 0.6
