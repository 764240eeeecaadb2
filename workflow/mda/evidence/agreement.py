"""How two sets of scores of the same samples agree."""

from __future__ import annotations

from typing import Any

import numpy as np

from mda.evidence import csv_tables, score_table, statistics
from mda.interventions import selection


def compared(one: np.ndarray, two: np.ndarray, fraction: float, confidence: float) -> dict[str, Any]:
    """Rank correlation and top overlap of two scores of the same samples.

    Args:
        one, two: shape (samples,) each.
        fraction: the share that counts as top.

    Returns:
        samples, spearman and its interval, overlap (share of the top that is top in both) and its interval,
        chance (the overlap of unrelated scores). Nan where all scores are equal, which have no top.
    """
    number = selection.count(len(one), fraction)
    common = len(np.intersect1d(score_table.top(one, number), score_table.top(two, number)))
    ranked = not (statistics.constant(one) or statistics.constant(two))
    overlap = statistics.proportion(common, number, confidence) if ranked else statistics.UNKNOWN
    return {
        "samples": len(one),
        **csv_tables.columns("spearman", statistics.rank_correlation(one, two, confidence)),
        **csv_tables.columns("overlap", overlap),
        "chance": number / len(one),
    }
