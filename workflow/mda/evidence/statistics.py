"""Outcomes of a run, and what several runs together say of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats


class Formation(NamedTuple):
    """When a curve first reached the threshold; `step` is the last step if it never did."""

    step: float
    formed: bool


def formation(steps: np.ndarray, curve: np.ndarray, threshold: float) -> Formation:
    """First crossing of the threshold, interpolated linearly between evaluations.

    A curve that never crosses gets the last step, which makes means over runs restricted
    means: lower bounds of the true ones (as in survival analysis).
    """
    above = np.flatnonzero(curve >= threshold)
    if len(above) == 0:
        return Formation(float(steps[-1]), False)
    first = int(above[0])
    if first == 0:
        return Formation(float(steps[0]), True)
    part = (threshold - curve[first - 1]) / (curve[first] - curve[first - 1])
    return Formation(float(steps[first - 1] + part * (steps[first] - steps[first - 1])), True)


def forms_in_window(share: float, mean_step: float, start: float) -> bool:
    """Whether a unit forms in the window: in at least half of the base runs, and on average after its start.

    Args:
        share: share of the base runs in which it formed (`formation`).
        mean_step: mean of their formation steps.
        start: first step of the window.
    """
    return bool(share >= 0.5 and mean_step > start)


def area(steps: np.ndarray, curve: np.ndarray) -> float:
    """Area under a curve divided by its length: its mean over the window; of one point, its value."""
    if steps[0] == steps[-1]:
        return float(curve[-1])
    return float(np.trapezoid(curve, steps) / (steps[-1] - steps[0]))


class Difference(NamedTuple):
    """A mean difference over seeds, its interval and p-value, and what could have been seen.

    `detectable` is the smallest true mean difference that a test at this confidence finds four times
    out of five, given the spread that was seen. One seed has nan but for the mean.
    """

    mean: float
    low: float
    high: float
    p_value: float
    detectable: float


POWER = 0.8


def paired_difference(treated: np.ndarray, control: np.ndarray, confidence: float) -> Difference:
    """Difference of runs paired by seed: Student's t interval and test.

    With few seeds a bootstrap is far too narrow (of three differences it is their range, which covers 75 %
    of the time), while t covers at its nominal rate where differences are about normal.

    Args:
        treated, control: outcomes of shape (seeds,), in the same order of seeds.
    """
    differences = np.asarray(treated, dtype=float) - np.asarray(control, dtype=float)
    mean = float(differences.mean())
    if len(differences) < 2:
        return Difference(mean, np.nan, np.nan, np.nan, np.nan)
    # Equal to rounding: all runs did the same, or never formed. There is no spread to judge by.
    if np.ptp(differences) <= 1e-9 * max(1.0, abs(mean)):
        interval_and_p = (0.0, 0.0, 1.0) if mean == 0 else (np.nan, np.nan, np.nan)
        return Difference(mean, *interval_and_p, np.nan)
    # As scipy.stats.ttest_1samp, which takes long for one: tables have thousands.
    freedom, error = len(differences) - 1, float(differences.std(ddof=1)) / np.sqrt(len(differences))
    half = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error
    p_value = 2 * float(special.stdtr(freedom, -abs(mean) / error))
    shift = error * detectable_shift(len(differences), confidence)
    return Difference(mean, mean - half, mean + half, p_value, shift)


def mean_interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of Student's t interval of the mean over seeds; nan of one seed.

    Args:
        values: shape (lines, seeds).
    """
    number = values.shape[1]
    if number < 2:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    error = stats.t.ppf((1 + confidence) / 2, number - 1) * values.std(axis=1, ddof=1) / np.sqrt(number)
    return values.mean(axis=1) - error, values.mean(axis=1) + error


def paired_p_values(differences: np.ndarray) -> np.ndarray:
    """The p-values of `paired_difference`, of many at once; nan where there is no spread to judge by.

    Args:
        differences: shape (tests, seeds).
    """
    flat = np.ptp(differences, axis=1) <= 1e-9 * np.maximum(1.0, np.abs(differences.mean(axis=1)))
    found = np.full(len(differences), np.nan)
    if not flat.all():
        found[~flat] = stats.ttest_1samp(differences[~flat], 0.0, axis=1).pvalue
    return found


@cache
def detectable_shift(number: int, confidence: float) -> float:
    """The shift, in standard errors, that a two-sided paired t test finds with a power of `POWER`.

    The power of the noncentral t (Cohen 1988, chapter 2), as a mean over quantiles of the spread, for
    scipy's own is nan far out.
    """
    freedom = number - 1
    critical = stats.t.ppf((1 + confidence) / 2, freedom)
    spread = np.sqrt(stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, freedom) / freedom)

    def missing(shift: float) -> float:
        found = stats.norm.sf(critical * spread - shift) + stats.norm.cdf(-critical * spread - shift)
        return float(found.mean()) - POWER

    return float(optimize.brentq(missing, 0.0, 60 * critical))


def detectable_correlation(number: int, confidence: float) -> float:
    """The correlation that a two-sided test of so many pairs finds with a power of `POWER` (Fisher's z)."""
    if number < 4:
        return np.nan
    return float(
        np.tanh((stats.norm.ppf((1 + confidence) / 2) + stats.norm.ppf(POWER)) / np.sqrt(number - 3))
    )


def adjusted(p_values: np.ndarray) -> np.ndarray:
    """p-values corrected for their number (Benjamini & Hochberg 1995); nan stays and does not count."""
    values = np.asarray(p_values, dtype=float)
    known = ~np.isnan(values)
    if known.any():
        values = values.copy()
        values[known] = stats.false_discovery_control(values[known])
    return values


def family_adjusted(p_values: Sequence[float]) -> list[float]:
    """p-values of a few tests planned together: the chance of any false one is kept (Holm 1979)."""
    order = np.argsort(p_values)
    factors = len(order) - np.arange(len(order))
    found = np.empty(len(order))
    found[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return found.tolist()


class Estimate(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(np.nan, np.nan, np.nan)


def constant(values: np.ndarray) -> bool:
    """Whether all values are equal, but for the rounding of float32: they rank nothing."""
    return bool(np.ptp(values) <= 1e-6 * np.abs(values).max()) if len(values) else True


def rank_correlation(one: np.ndarray, other: np.ndarray, confidence: float) -> Estimate:
    """Spearman's, with the interval of `rank_interval`; nan where one is constant, or of fewer than four."""
    if len(one) < 4 or constant(one) or constant(other):
        return UNKNOWN
    return rank_interval(float(stats.spearmanr(one, other).statistic), len(one), confidence)


def rank_interval(value: float, number: int, confidence: float) -> Estimate:
    """A rank correlation of so many pairs, at least four, with the interval of Bonett & Wright (2000)."""
    # Beyond, the transform is infinite; the interval is then the point.
    bounded = float(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    error = np.sqrt((1 + bounded**2 / 2) / (number - 3)) * stats.norm.ppf((1 + confidence) / 2)
    low, high = np.tanh(np.arctanh(bounded) + np.array([-error, error]))
    return Estimate(value, float(low), float(high))


def correlation(one: np.ndarray, other: np.ndarray, confidence: float) -> Estimate:
    """Pearson's, with Fisher's interval; nan where one is constant or there are fewer than four."""
    if len(one) < 4 or constant(one) or constant(other):
        return UNKNOWN
    found = stats.pearsonr(one, other)
    interval = found.confidence_interval(confidence)
    return Estimate(float(found.statistic), float(interval.low), float(interval.high))


def proportion(hits: int, number: int, confidence: float) -> Estimate:
    """A share with Wilson's interval (1927); nan of nothing."""
    if number == 0:
        return UNKNOWN
    interval = stats.binomtest(hits, number).proportion_ci(confidence, method="wilson")
    return Estimate(hits / number, float(interval.low), float(interval.high))


def auroc(positive: np.ndarray, negative: np.ndarray, confidence: float) -> Estimate:
    """Probability that a positive scores above a negative, with the interval of Hanley & McNeil (1982)."""
    many, few = len(positive), len(negative)
    above = float(stats.mannwhitneyu(positive, negative).statistic) if many and few else 0.0
    return auroc_of(above, many, few, confidence)


def auroc_of(above: float, many: int, few: int, confidence: float) -> Estimate:
    """The same of `above` pairs in which the positive scores higher, equal ones a half each.

    Args:
        many, few: how many positives and negatives there are.
    """
    if not many or not few:
        return UNKNOWN
    value = above / (many * few)
    first, second = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (many - 1) * (first - value**2) + (few - 1) * (second - value**2)
    error = np.sqrt(max(variance, 0.0) / (many * few)) * stats.norm.ppf((1 + confidence) / 2)
    return Estimate(value, float(max(0.0, value - error)), float(min(1.0, value + error)))
