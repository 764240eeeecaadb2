"""The rate of false findings among runs that differ by chance."""

import numpy as np
import pytest

from mda.evidence import statistics
from mda.evidence.studies import placebo

GENERATOR = np.random.default_rng(0)


def test_chance_is_found_at_the_nominal_rate():
    found = placebo.false_findings(GENERATOR.normal(170, 5, (40, 2)), 4, 0, 0.95)
    assert found["rate_low"] < 0.05 < found["rate_high"]
    assert found["rate"] == pytest.approx(0.05, abs=0.02)
    assert (found["subsets"], found["orders"], found["pairs"]) == (40, 2, 4)


def test_an_order_that_shifts_all_runs_is_paired_away():
    """Else a difference of orders would hide every effect, and none would be found."""
    runs = GENERATOR.normal(size=(40, 2)) + np.array([0.0, 1000.0])
    assert placebo.false_findings(runs, 4, 0, 0.95)["rate"] == pytest.approx(0.05, abs=0.02)


def test_where_all_runs_are_the_same_nothing_is_said():
    found = placebo.false_findings(np.full((12, 2), 240.0), 4, 0, 0.95)
    assert np.isnan([found["rate"], found["rate_low"], found["rate_high"]]).all()
    assert found["comparisons"] == 0
    # Few that differ: most comparisons have nothing to judge by.
    few = np.full((24, 2), 240.0)
    few[:2] = [[200.0, 210.0], [190.0, 220.0]]
    assert placebo.false_findings(few, 4, 0, 0.95)["comparisons"] < placebo.SPLITS


def test_few_subsets_make_smaller_comparisons():
    assert placebo.false_findings(GENERATOR.normal(size=(6, 1)), 4, 0, 0.95)["pairs"] == 2
    assert np.isnan(placebo.false_findings(GENERATOR.normal(size=(4, 2)), 4, 0, 0.95)["rate"])
    assert np.isnan(placebo.false_findings(GENERATOR.normal(size=(24, 2)), 1, 0, 0.95)["rate"])


def test_many_tests_at_once_are_those_of_one_after_the_other():
    differences = np.vstack([GENERATOR.normal(1, 2, (20, 4)), np.full((1, 4), 3.0), np.zeros((1, 4))])
    one_by_one = [statistics.paired_difference(row, np.zeros(4), 0.95).p_value for row in differences]
    found = statistics.paired_p_values(differences)
    assert np.isnan(found[20:]).all()
    np.testing.assert_allclose(found[:20], one_by_one[:20])
