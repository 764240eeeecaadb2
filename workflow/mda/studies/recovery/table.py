"""Are known catalysts found? Scores are compared with the labels of corpora that were made for this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mda.evidence import csv_tables, statistics
from mda.interventions import selection


def recovery(
    scores: Mapping[str, np.ndarray],
    catalyst: np.ndarray,
    decoy: np.ndarray,
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each method: how well its scores tell the catalysts from the rest.

    Args:
        scores: method -> shape (samples,).
        catalyst, decoy: whether each sample is one.
        fraction: the share that counts as top.

    Returns:
        method, samples, rate (share of catalysts), auroc (of catalysts against the rest) and decoys_auroc
        (against the decoys alone) with their intervals, precision (share of catalysts among the top) and its
        interval, decoys_top (share of decoys there). Of decoys nan, where there are none.
    """
    lines = []
    for method, values in scores.items():
        found = statistics.auroc(values[catalyst], values[~catalyst], confidence)
        against = statistics.UNKNOWN
        if decoy.any():
            against = statistics.auroc(values[catalyst], values[decoy], confidence)
        number = selection.count(len(values), fraction)
        top = selection.top(values, number, 0)
        hits = int(catalyst[top].sum())
        precision = statistics.proportion(hits, number, confidence)
        lines.append(
            {
                "method": method,
                "samples": len(values),
                "rate": float(catalyst.mean()),
                **csv_tables.columns("auroc", found),
                **csv_tables.columns("decoys_auroc", against),
                **csv_tables.columns("precision", precision),
                "decoys_top": float(decoy[top].mean()) if decoy.any() else np.nan,
            }
        )
    return lines
