"""What each check of attribution found, and whether it passes; `mda.studies.sanity.checks` has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import stats

from mda.evidence import csv_tables, score_table, statistics
from mda.evidence.finding import INCONCLUSIVE
from mda.interventions import selection
from mda.studies.sanity.checks import EXPECTED, FAILS, MASKED, MOST, PASSES, ROUNDING

SHUFFLES = 1000
# Fewer samples of a label are left out of correlations within labels.
LEAST = 10
# Samples of a label, and of others, that chance has to put at the top for the shares there to be judged.
EXPECTED_AT_TOP = 5
# Columns that not every check has.
OPTIONAL = (
    "samples", "draws", "value", "value_low", "value_high", "absolute", "within",
    "reference", "reference_low", "reference_high", "label",
)  # fmt: skip


def line(target: str, method: str, check: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a check: what it is of, what is expected, and what was found, nan where it has none."""
    return {
        "target": target,
        "method": method,
        "check": check,
        **{name: found.get(name, np.nan) for name in OPTIONAL},
        "expected": EXPECTED[check],
        "verdict": found["verdict"],
    }


def randomized(real: np.ndarray, drawn: np.ndarray, labels: np.ndarray, confidence: float) -> dict[str, Any]:
    """Rank correlation of a model's scores with those of models whose weights were drawn anew.

    The interval is Student's t over the draws. The reference is the correlation of the draws with each other:
    what the samples have in common whatever the weights. Its interval is by the jackknife over draws.
    `within` has the correlation of the model with the draws among samples of one label, averaged.

    Args:
        real, labels: scores and labels of the samples, shape (samples,).
        drawn: those of each draw, shape (draws, samples).
    """
    values = np.array([_rank_correlation(real, one) for one in drawn])
    [low], [high] = statistics.mean_interval(values[None], confidence)
    between = np.array([[_rank_correlation(one, other) for other in drawn] for one in drawn])
    return {
        "samples": len(real),
        "draws": len(drawn),
        "value": float(values.mean()),
        "value_low": float(low),
        "value_high": float(high),
        "absolute": float(np.abs(values).mean()),
        "within": float(np.mean([_within(real, one, labels) for one in drawn])),
        **csv_tables.columns("reference", _mean_of_pairs(between, confidence)),
        "verdict": _apart(float(low), float(high)),
    }


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return statistics.rank_correlation(one, other, 0.95).value


def _within(one: np.ndarray, other: np.ndarray, labels: np.ndarray) -> float:
    """Rank correlation among samples of one label, a mean weighted by their numbers; nan of few samples."""
    groups = [labels == name for name in np.unique(labels)]
    found = [
        (int(own.sum()), _rank_correlation(one[own], other[own])) for own in groups if own.sum() >= LEAST
    ]
    known = [(number, value) for number, value in found if not np.isnan(value)]
    return (
        float(np.average([value for _, value in known], weights=[n for n, _ in known])) if known else np.nan
    )


def _mean_of_pairs(between: np.ndarray, confidence: float) -> statistics.Estimate:
    """Mean over pairs of draws; nan of fewer than two, without an interval of two.

    Args:
        between: symmetric, shape (draws, draws).
    """

    def mean(of: np.ndarray) -> float:
        pairs = of[np.triu_indices(len(of), 1)]
        return float(pairs.mean()) if len(pairs) else np.nan

    number, value = len(between), mean(between)
    if number < 3:
        return statistics.Estimate(value, np.nan, np.nan)
    without = np.array([mean(np.delete(np.delete(between, one, 0), one, 1)) for one in range(number)])
    error = np.sqrt((number - 1) * without.var()) * stats.t.ppf((1 + confidence) / 2, number - 1)
    return statistics.Estimate(value, value - error, value + error)


def _apart(low: float, high: float) -> str:
    if low > -MOST and high < MOST:
        return PASSES
    return FAILS if low >= MOST or high <= -MOST else INCONCLUSIVE


def same(one: np.ndarray, other: np.ndarray, confidence: float) -> dict[str, Any]:
    """Rank correlation of two scores of one model, shape (samples,) each, which should agree."""
    found = statistics.rank_correlation(one, other, confidence)
    verdict = PASSES if found.low > MOST else FAILS if found.high < MOST else INCONCLUSIVE
    return {"samples": len(one), **csv_tables.columns("value", found), "verdict": verdict}


def nothing(check: str, found: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """The largest of numbers that should be 0, as a share of the largest of scores that need not be.

    Args:
        found: shape (samples,); a number that is not finite fails.
        real: scores, of any shape.
    """
    largest = float(np.abs(real).max(initial=0))
    least = {"samples": len(found), "value": np.nan}
    if not np.isfinite(found).all():
        return {**least, "verdict": FAILS}
    if largest == 0 or len(found) == 0:
        # Where every score is 0, a score of 0 says nothing.
        return {**least, "verdict": INCONCLUSIVE}
    value = float(np.abs(found).max()) / largest
    bound = ROUNDING if check == MASKED else 0.0
    return {**least, "value": value, "verdict": PASSES if value <= bound else FAILS}


def shuffled(
    scores: np.ndarray, labels: np.ndarray, orders: Iterable[np.ndarray], fraction: float, confidence: float
) -> dict[str, Any]:
    """How much more frequent a label is among the top samples when labels are shuffled between samples.

    The label is the one that is most in excess at the top before, among those of which chance puts
    `EXPECTED_AT_TOP` or more there, and as many of the others: with fewer, what is not at the top is no
    surprise. The value is the mean over the shuffles and its interval has the share `confidence` of them, the
    reference is what was found before. Where it was no more than the shuffles give, there is nothing that
    could vanish.

    Args:
        scores, labels: shape (samples,).
        orders: of each shuffle, the place that each sample's label comes from, shape (samples,).
        fraction: the share of samples that count as top.
    """
    if statistics.constant(scores) or len(set(labels)) == 1:
        return {"samples": len(scores), "verdict": INCONCLUSIVE}
    top = score_table.top(scores, selection.count(len(scores), fraction))
    shares = {name: (labels == name).mean() for name in sorted(set(labels))}
    excess = {
        name: (labels[top] == name).mean() - share
        for name, share in shares.items()
        if min(share, 1 - share) * len(top) >= EXPECTED_AT_TOP
    }
    if not excess:
        return {"samples": len(scores), "verdict": INCONCLUSIVE}
    label = max(excess, key=lambda name: excess[name])
    has = labels == label
    before = float(has[top].mean() / has.mean())
    ratios = np.array([has[order[top]].mean() for order in orders]) / has.mean()
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    verdict = FAILS if not low <= 1 <= high else PASSES if not low <= before <= high else INCONCLUSIVE
    return {
        "samples": len(scores),
        "draws": len(ratios),
        "value": float(ratios.mean()),
        "value_low": float(low),
        "value_high": float(high),
        "reference": before,
        "label": label,
        "verdict": verdict,
    }
