"""How heavy the upper tail of the influence is."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats

from mda.evidence import score_parts, score_table, statistics
from mda.evidence.score_parts import Parts
from mda.interventions import selection

log = logging.getLogger(__name__)

RESAMPLES = 999
# Of more samples than these, so many are drawn to find the intervals.
MOST = 100_000


def tails(scores: Mapping[str, Parts], fraction: float, seed: int, confidence: float) -> pd.DataFrame:
    """The share of the positive influence that the top samples have, a line for each target.

    Args:
        scores: influence and label, by target.
        fraction: the share of samples that counts as top.

    Returns:
        target, samples, share (of the positive influence in the top) and its interval; all but the samples
        are empty where scores are equal, or none is positive. `normal` is the share of scores that are normal
        within each label, of its mean and spread, `excess` by how much more it is. Intervals are percentile
        bootstraps over samples; of more than `MOST` samples, over so many that are drawn at random, and
        narrower by the square root of how many more there are, which is too narrow for very heavy tails.
        excess_kurtosis is of all influence.
    """
    lines = []
    for target, parts in scores.items():
        generator = np.random.default_rng([seed, 9])
        count, lowest, highest = score_parts.ends(parts)
        places = np.arange(count) if count <= MOST else generator.choice(count, MOST, replace=False)
        mine = score_parts.lines_at(parts, places)
        values, labels = mine["influence"].to_numpy(float), pd.factorize(mine["label"])[0]
        held = shares(values, labels, fraction)
        found, normal, excess = held
        if count > MOST and not statistics.constant(np.array([lowest, highest])) and highest > 0:
            found, normal, excess = shares_of_all(parts, count, fraction)
        chosen = (generator.integers(0, len(values), len(values)) for _ in range(RESAMPLES))
        draws = [shares(values[part], labels[part], fraction) for part in chosen]
        # A draw of few positive samples may have none.
        known = np.array([draw for draw in draws if not np.isnan(draw).any()])
        ends = np.full((2, 3), np.nan)
        if not np.isnan(found) and len(known):
            ends = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        if count > MOST:
            ends = (found, normal, excess) + (ends - held) * np.sqrt(MOST / count)
        (low, _, excess_low), (high, _, excess_high) = ends
        if np.isnan(found):
            why = "are equal" if statistics.constant(values) else "are zero or negative"
            log.warning("target %s: all scores %s, so that there is no tail", target, why)
        lines.append(
            {
                "target": target,
                "samples": count,
                "share": found,
                "share_low": low,
                "share_high": high,
                "normal": normal,
                "excess": excess,
                "excess_low": excess_low,
                "excess_high": excess_high,
                "excess_kurtosis": np.nan if np.isnan(found) else _excess_kurtosis(parts, count),
            }
        )
    return pd.DataFrame(lines)


def shares_of_all(parts: Parts, count: int, fraction: float) -> tuple[float, float, float]:
    """`shares` of scores that are not held; some must be positive, and not all equal."""
    number = selection.count(count, fraction)
    bound = score_parts.highest(lambda: score_parts.numbers(parts), number)
    above, top, positive = 0, [], []
    for part in score_parts.numbers(parts):
        higher = part[part > bound]
        above += len(higher)
        top.append(float(higher.clip(min=0).sum()))
        positive.append(float(part.clip(min=0).sum()))
    # The rest of the top are equal to its lowest.
    found = (math.fsum(top) + (number - above) * max(bound, 0.0)) / math.fsum(positive)
    each = score_parts.labels(parts).values()
    normal = normal_share([(label.samples / count, label.mean, label.spread) for label in each], fraction)
    return found, normal, found - normal


def _excess_kurtosis(parts: Parts, count: int) -> float:
    """The fourth moment about the mean over the square of the second, less the 3 of normal numbers."""
    mean = math.fsum(float(part.sum()) for part in score_parts.numbers(parts)) / count
    second, fourth = (
        math.fsum(float(((part - mean) ** power).sum()) for part in score_parts.numbers(parts)) / count
        for power in (2, 4)
    )
    return fourth / second**2 - 3


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
