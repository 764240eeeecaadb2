"""How many of their top samples units have in common."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from mda.evidence import csv_tables, ranked, statistics
from mda.evidence.ranked import Ranked


def overlaps(
    scores: Mapping[str, Ranked],
    units: Mapping[str, list[str]],
    metrics: Mapping[str, str],
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
    lines = []
    for one, other in itertools.combinations(scores, 2):
        left, right = scores[one], scores[other]
        common, spearman = ranked.together(left, right, confidence)
        ranks = not (left.equal or right.equal)
        share = statistics.proportion(common, left.top, confidence) if ranks else statistics.UNKNOWN
        expected, spread = _common_by_chance(left.labels, left.top_labels, right.top_labels)
        chance = expected / left.top
        lines.append(
            {
                "one": one,
                "other": other,
                "one_units": " ".join(units[one]),
                "other_units": " ".join(units[other]),
                "same_kind": metrics[one] == metrics[other],
                **csv_tables.columns("jaccard", [value / (2 - value) for value in share]),
                "chance": chance / (2 - chance),
                "p": _more_than(common, expected, spread) if ranks else np.nan,
                **csv_tables.columns("spearman", spearman),
            }
        )
    for line, q in zip(lines, statistics.adjusted(np.array([line["p"] for line in lines])), strict=True):
        line["q"] = float(q)
    return lines


def _more_than(common: int, expected: float, spread: float) -> float:
    """The p-value of so many common samples; nan where there could not be others, as of one label's two."""
    return float(stats.norm.sf((common - 0.5 - expected) / spread)) if spread > 0 else np.nan


def _common_by_chance(labels: Counter[str], one: Counter[str], other: Counter[str]) -> tuple[float, float]:
    """Mean and spread of how many samples two sets have in common, drawn with the labels they have."""
    every, left, right = (np.array([part[label] for label in labels], float) for part in (labels, one, other))
    mean = left * right / every
    # Of a hypergeometric.
    variance = mean * (every - left) * (every - right) / (every * np.maximum(every - 1, 1))
    return float(mean.sum()), float(np.sqrt(variance.sum()))
