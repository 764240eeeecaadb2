"""How heavy the upper tail of the influence is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats

from mda.evidence import score_table, statistics
from mda.interventions import selection

log = logging.getLogger(__name__)

RESAMPLES = 999


def tails(scores: Mapping[str, pd.DataFrame], fraction: float, seed: int, confidence: float) -> pd.DataFrame:
    """The share of the positive influence that the top samples have, a line for each target.

    Args:
        scores: from `mda.evidence.score_table.read`, with their labels.
        fraction: the share of samples that counts as top.

    Returns:
        target, samples, share (of the positive influence in the top) and its interval; all but the samples
        are empty where scores are equal, or none is positive. `normal` is the share of scores that are normal
        within each label, of its mean and spread, `excess` by how much more it is. Intervals are percentile
        bootstraps over samples; excess_kurtosis is of all influence.
    """
    lines = []
    for target, mine in scores.items():
        values = mine["influence"].to_numpy(float)
        labels = pd.factorize(mine["label"])[0]
        generator = np.random.default_rng([seed, 9])
        chosen = (generator.integers(0, len(values), len(values)) for _ in range(RESAMPLES))
        draws = [shares(values[part], labels[part], fraction) for part in chosen]
        found, normal, excess = shares(values, labels, fraction)
        # A draw of few positive samples may have none.
        known = np.array([draw for draw in draws if not np.isnan(draw).any()])
        ends = np.full((2, 3), np.nan)
        if not np.isnan(found) and len(known):
            ends = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        (low, _, excess_low), (high, _, excess_high) = ends
        if np.isnan(found):
            why = "are equal" if statistics.constant(values) else "are zero or negative"
            log.warning("target %s: all scores %s, so that there is no tail", target, why)
        lines.append(
            {
                "target": target,
                "samples": len(values),
                "share": found,
                "share_low": low,
                "share_high": high,
                "normal": normal,
                "excess": excess,
                "excess_low": excess_low,
                "excess_high": excess_high,
                "excess_kurtosis": np.nan if np.isnan(found) else float(stats.kurtosis(values)),
            }
        )
    return pd.DataFrame(lines)


def shares(values: np.ndarray, labels: np.ndarray, fraction: float) -> tuple[float, float, float]:
    """`share`, that of scores which are normal within each label, and the difference.

    Labels that differ in mean or spread make a heavy tail of normal scores; what is asked is whether there is
    more than that. Nan where scores are equal, or none is positive.
    """
    if statistics.constant(values) or values.max() <= 0:
        return np.nan, np.nan, np.nan
    groups = [values[labels == label] for label in np.unique(labels)]
    parts = [(len(group) / len(values), group.mean(), group.std()) for group in groups]
    found, normal = share(values, fraction), normal_share(parts, fraction)
    return found, normal, found - normal


def normal_share(parts: Sequence[tuple[float, float, float]], fraction: float) -> float:
    """Share of the positive sum that the highest values of a mixture of normal distributions have.

    Above a bound the mean of each is mean x sf + spread x pdf (of the truncated normal), both at the bound.

    Args:
        parts: share, mean and spread of each.
    """
    weights, means, spreads = np.array(parts).T
    spreads = spreads.clip(min=1e-9 * max(spreads.max(), np.abs(means).max()))

    def rest(bound: float) -> float:
        return float(weights @ stats.norm.sf((bound - means) / spreads)) - fraction

    def above(bound: float) -> float:
        place = (bound - means) / spreads
        return float(weights @ (means * stats.norm.sf(place) + spreads * stats.norm.pdf(place)))

    ends = stats.norm.isf(fraction) * spreads + means
    low, high = float(ends.min()), float(ends.max())
    # At the ends the sign may be lost to rounding.
    between = rest(low) > 0 > rest(high)
    bound = optimize.brentq(rest, low, high) if between else low if rest(low) <= 0 else high
    positive = above(0.0)
    return above(max(bound, 0.0)) / positive if positive > 0 else np.nan


def share(values: np.ndarray, fraction: float) -> float:
    """Share of the positive sum that the highest values have."""
    number = selection.count(len(values), fraction)
    positive = values.clip(min=0)
    return float(positive[score_table.top(values, number)].sum() / positive.sum())
