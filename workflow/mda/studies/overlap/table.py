"""How many of their top samples units have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mda.evidence import csv_tables, score_table, statistics
from mda.interventions import selection


def overlaps(
    scores: Mapping[str, pd.DataFrame],
    units: Mapping[str, list[str]],
    metrics: Mapping[str, str],
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each pair of targets: the Jaccard index of their top samples, against chance.

    Args:
        scores: of all targets, over the same samples, with their labels.
        units: the units of each target, as they are written.
        metrics: the metric that watches each; targets of one metric are of one kind.

    Returns:
        one, other (targets), one_units, other_units, same_kind, jaccard and its interval (from that of
        the common share), chance (the index of scores that are unrelated but for the labels of their tops),
        p (of as many common samples by chance: a hypergeometric for each label, their sum as a normal), q,
        spearman. Nan where all scores are equal, which have no top.
    """
    names = list(scores)
    lines = []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            left, right = (scores[name]["influence"].to_numpy() for name in (one, other))
            number = selection.count(len(left), fraction)
            tops = score_table.top(left, number), score_table.top(right, number)
            common = len(np.intersect1d(*tops))
            share, ranked = statistics.proportion(common, number, confidence), True
            if statistics.constant(left) or statistics.constant(right):
                share, ranked = statistics.UNKNOWN, False
            expected, spread = _common_by_chance(scores[one]["label"], *tops)
            chance = expected / number
            lines.append(
                {
                    "one": one,
                    "other": other,
                    "one_units": " ".join(units[one]),
                    "other_units": " ".join(units[other]),
                    "same_kind": metrics[one] == metrics[other],
                    **csv_tables.columns("jaccard", [value / (2 - value) for value in share]),
                    "chance": chance / (2 - chance),
                    "p": _more_than(common, expected, spread) if ranked else np.nan,
                    **csv_tables.columns("spearman", statistics.rank_correlation(left, right, confidence)),
                }
            )
    for line, q in zip(lines, statistics.adjusted(np.array([line["p"] for line in lines])), strict=True):
        line["q"] = float(q)
    return lines


def _more_than(common: int, expected: float, spread: float) -> float:
    """The p-value of so many common samples; nan where there could not be others, as of one label's two."""
    return float(stats.norm.sf((common - 0.5 - expected) / spread)) if spread > 0 else np.nan


def _common_by_chance(labels: pd.Series, one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean and spread of how many samples two sets have in common, drawn with the labels they have."""
    parts = (labels, labels.iloc[one], labels.iloc[other])
    numbers = pd.concat([part.value_counts() for part in parts], axis=1).fillna(0).to_numpy(float)
    every, left, right = numbers.T
    mean = left * right / every
    # Of a hypergeometric.
    variance = mean * (every - left) * (every - right) / (every * np.maximum(every - 1, 1))
    return float(mean.sum()), float(np.sqrt(variance.sum()))
