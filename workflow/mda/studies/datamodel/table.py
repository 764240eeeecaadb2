"""The linear datamodelling score (Park et al. 2023, arXiv 2303.14186): are random subsets predicted?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mda.evidence import csv_tables, statistics

OUTCOMES = ("score_area", "score_final")


def scores(
    outcomes: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each method and outcome: rank correlation of what was predicted and what came out.

    Args:
        outcomes: those of `OUTCOMES`, each of shape (subsets, orders).
        predicted: method -> the sum of the scores of each subset's samples, shape (subsets,).

    Returns:
        method, outcome, subsets, orders, lds (Spearman, with the mean over orders) and its interval over
        subsets, detectable (the score that so many subsets would find four times out of five), reliability
        and ceiling of what came out (see `reliability`).
    """
    lines = []
    for method, sums in predicted.items():
        for outcome in OUTCOMES:
            runs = outcomes[outcome]
            found = statistics.rank_correlation(sums, runs.mean(axis=1), confidence)
            reliable = reliability(runs)
            lines.append(
                {
                    "method": method,
                    "outcome": outcome,
                    "subsets": runs.shape[0],
                    "orders": runs.shape[1],
                    **csv_tables.columns("lds", found),
                    "detectable": statistics.detectable_correlation(len(sums), confidence),
                    "reliability": reliable,
                    "ceiling": np.sqrt(max(reliable, 0.0)),
                }
            )
    return lines


def reliability(runs: np.ndarray) -> float:
    """How far the mean over orders depends on the subset alone: 1 is without noise.

    Spearman and Brown's (1910), from the mean correlation of two orders. Its root is the correlation with
    the subsets' true values, which no prediction can exceed.

    Args:
        runs: shape (subsets, orders); nan for one order, or where the subsets of one came out the same.
    """
    orders = runs.shape[1]
    if orders < 2 or (np.ptp(runs, axis=0) == 0).any():
        return np.nan
    mean = np.corrcoef(runs.T)[np.triu_indices(orders, 1)].mean()
    rest = 1 + (orders - 1) * mean
    # Orders that contradict each other as much as they can.
    return float(orders * mean / rest) if rest > 1e-9 else np.nan
