"""Influence along the training stream."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mda.evidence import score_parts
from mda.evidence.score_parts import Label, Parts

# Intervals that the stream is cut into.
BINS = 24
# Of an interval without samples.
NOTHING = Label(0, np.nan, np.nan)


def stream(parts: Parts, curve: pd.DataFrame, bins: int, confidence: float) -> list[dict[str, Any]]:
    """Influence along the training stream, a line for each interval of steps.

    Args:
        parts: of one target, with the columns step and influence.
        curve: its metric in the base run: step, score.

    Returns:
        start, stop (steps), samples, mean (influence of the interval's samples) and its interval,
        positive_share (of all positive influence; nan where there is none) and its interval, score (the
        metric at the interval's end), gain (how much it rose inside). One sample has no interval.
    """
    ends = [(part["step"].min(), part["step"].max()) for part in parts()]
    first, last = min(low for low, _ in ends), max(high for _, high in ends)
    edges = np.unique(np.linspace(first, last + 1, bins + 1).round().astype(int))
    every = score_parts.labels(_by_interval(parts, edges, -np.inf))
    gained = score_parts.labels(_by_interval(parts, edges, 0))
    positive = math.fsum(found.samples * found.mean for found in gained.values()) or np.nan
    steps, values = curve["step"].to_numpy(float), curve["score"].to_numpy()
    width = stats.norm.ppf((1 + confidence) / 2)
    lines = []
    for place, (start, stop) in enumerate(itertools.pairwise(edges)):
        mine, gains = (found.get(str(place), NOTHING) for found in (every, gained))
        error = width * _spread(mine) / np.sqrt(mine.samples)
        share = gains.samples * gains.mean / positive
        doubt = width * _spread(gains) * np.sqrt(mine.samples) / positive
        before, after = np.interp([start, stop], steps, values)
        lines.append(
            {
                "start": int(start),
                "stop": int(stop),
                "samples": mine.samples,
                "mean": mine.mean,
                "mean_low": mine.mean - error,
                "mean_high": mine.mean + error,
                "positive_share": share,
                "positive_share_low": share - doubt,
                "positive_share_high": share + doubt,
                "score": after,
                "gain": after - before,
            }
        )
    return lines


def _by_interval(parts: Parts, edges: np.ndarray, least: float) -> Parts:
    """Influence with the number of its interval as its label; what is below `least` counts as that."""

    def labelled() -> Iterator[pd.DataFrame]:
        for part in parts():
            place = np.searchsorted(edges, part["step"].to_numpy(), side="right") - 1
            influence = part["influence"].to_numpy(float).clip(min=least)
            yield pd.DataFrame({"label": place, "influence": influence})

    return labelled


def _spread(found: Label) -> float:
    """That of a sample of them."""
    return found.spread * math.sqrt(found.samples / (found.samples - 1)) if found.samples > 1 else np.nan
