"""A number and its interval are told with as many digits as the interval bears."""

import math

import pytest

from mda.evidence import rounding


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (15.04, 0.996, 29.1, "15 [1, 29]"),
        (7.19, 2.73, 11.6, "7.2 [2.7, 11.6]"),
        (43.4, 42.7, 44.1, "43.4 [42.7, 44.1]"),
        (0.0314, 0.0117, 0.0512, "0.031 [0.012, 0.051]"),
        (-0.0001, -0.21, 0.2, "0.00 [-0.21, 0.20]"),
        (1234.5, 1200.2, 1270.9, "1234 [1200, 1271]"),
        # What does not hold zero shows none.
        (15.0, 0.04, 30.0, "15.00 [0.04, 30.00]"),
        # More than three digits, where three would tell the ends as the number.
        (1.0031, 1.0012, 1.0050, "1.003 [1.001, 1.005]"),
        (812.4, 812.1, 812.7, "812.4 [812.1, 812.7]"),
        (999.7, 999.1, 1000.3, "999.7 [999.1, 1000.3]"),
        # A number that is an end has no more digits than the width gives.
        (1.0012, 1.0012, 1.0050, "1.0012 [1.0012, 1.0050]"),
        (3e-12, 1e-12, 5e-12, "3.0e-12 [1.0e-12, 5.0e-12]"),
        (-3e-5, -5.2e-5, 1e-6, "-3.0e-05 [-5.2e-05, 0.1e-05]"),
        (2.5, 2.5, 2.5, "2.5 [2.5, 2.5]"),
        (2.5, math.nan, math.nan, "2.5"),
        (2.5, -math.inf, math.inf, "2.5 [-inf, inf]"),
    ],
)
def test_all_have_equally_many_decimals(value, low, high, told):
    assert rounding.with_interval(value, low, high) == told


def test_a_sign_may_stand_before_positive_numbers():
    assert rounding.with_interval(7.19, -2.73, 11.6, "+") == "+7.2 [-2.7, +11.6]"
    assert rounding.number(1234.5, "+") == "+1234"


@pytest.mark.parametrize(
    ("value", "told"), [(999.4, "999"), (999.5, "1000"), (-999.7, "-1000"), (0.0000321, "3.21e-05")]
)
def test_a_number_has_three_digits(value, told):
    assert rounding.number(value) == told
