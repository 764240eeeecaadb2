"""Influence along the training stream."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

# Intervals that the stream is cut into.
BINS = 24


def stream(scores: pd.DataFrame, curve: pd.DataFrame, bins: int, confidence: float) -> list[dict[str, Any]]:
    """Influence along the training stream, a line for each interval of steps.

    Args:
        scores: of one target.
        curve: its metric in the base run: step, score.

    Returns:
        start, stop (steps), samples, mean (influence of the interval's samples) and its interval,
        positive_share (of all positive influence; nan where there is none) and its interval, score (the
        metric at the interval's end), gain (how much it rose inside). One sample has no interval.
    """
    edges = np.unique(
        np.linspace(scores["step"].min(), scores["step"].max() + 1, bins + 1).round().astype(int)
    )
    positive = float(scores["influence"].clip(lower=0).sum()) or np.nan
    steps, values = curve["step"].to_numpy(float), curve["score"].to_numpy()
    lines = []
    for start, stop in itertools.pairwise(edges):
        mine = scores.loc[scores["step"].between(start, stop - 1), "influence"].to_numpy(float)
        width = stats.norm.ppf((1 + confidence) / 2)
        error = width * _spread(mine) / np.sqrt(len(mine))
        gained = mine.clip(min=0)
        share = gained.sum() / positive
        doubt = width * _spread(gained) * np.sqrt(len(mine)) / positive
        before, after = np.interp([start, stop], steps, values)
        lines.append(
            {
                "start": int(start),
                "stop": int(stop),
                "samples": len(mine),
                "mean": mine.mean(),
                "mean_low": mine.mean() - error,
                "mean_high": mine.mean() + error,
                "positive_share": share,
                "positive_share_low": share - doubt,
                "positive_share_high": share + doubt,
                "score": after,
                "gain": after - before,
            }
        )
    return lines


def _spread(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
