"""The linear datamodelling score (Park et al. 2023, arXiv 2303.14186): are random subsets predicted?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mda import statistics

OUTCOMES = ("score_area", "score_final")


def scores(
    outcomes: pd.DataFrame,
    left_out: Sequence[np.ndarray],
    candidates: np.ndarray,
    values: Mapping[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """A line a method and outcome: rank correlation of what was predicted and what came out.

    A subset is predicted by the sum of its samples' scores.

    Args:
        outcomes: a line a subset, in order, with the columns `OUTCOMES`.
        left_out: the rows that each run did not see.
        candidates: the rows of the window.
        values: method -> score of every candidate.

    Returns:
        method, outcome, subsets, lds (Spearman) and its interval over subsets, detectable (the score that so
        many subsets would find four times out of five).
    """
    kept = np.array([~np.isin(candidates, rows) for rows in left_out])
    lines = []
    for method, score in values.items():
        predicted = kept @ score.astype(np.float64)
        for outcome in OUTCOMES:
            found = statistics.rank_correlation(predicted, outcomes[outcome].to_numpy(), confidence)
            lines.append(
                {
                    "method": method,
                    "outcome": outcome,
                    "subsets": len(kept),
                    "lds": found.value,
                    "lds_low": found.low,
                    "lds_high": found.high,
                    "detectable": statistics.detectable_correlation(len(kept), confidence),
                }
            )
    return lines
