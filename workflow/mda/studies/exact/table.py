"""Influence by approximate curvatures against influence by the exact one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mda.evidence import csv_tables, statistics


def correlations(
    exact: np.ndarray,
    halves: tuple[np.ndarray, np.ndarray],
    approximate: Mapping[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """Rank correlation of approximate influence with the exact one, a line for each curvature.

    Args:
        exact: influence of every compared sample.
        halves: the same by each half of the draws of labels.
        approximate: curvature -> influence of the same samples.

    Returns:
        curvature, samples, spearman and its interval. The line 'half of the draws' compares the two halves
        with each other: the exact influence's own error.
    """
    pairs = {"half of the draws": halves, **{name: (exact, scored) for name, scored in approximate.items()}}
    return [
        {
            "curvature": name,
            "samples": len(exact),
            **csv_tables.columns("spearman", statistics.rank_correlation(*pair, confidence)),
        }
        for name, pair in pairs.items()
    ]
