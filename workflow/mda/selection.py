"""Selecting training samples: by influence, and by the controls it is held against."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mda import repetition
from mda.tokens import TokenStore


def count(candidates: int, fraction: float) -> int:
    """Number of samples of a fraction, at least one."""
    return max(1, round(candidates * fraction))


def top(scores: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Positions of the highest scores, highest first; ties are broken at random, by seed."""
    ties = np.random.default_rng([seed, 3]).random(len(scores))
    return np.lexsort((ties, -scores))[:number]


def random_scores(number: int, seed: int) -> np.ndarray:
    """Scores that select at random."""
    return np.random.default_rng([seed, 4]).random(number)


def repetition_scores(store: TokenStore, rows: np.ndarray) -> np.ndarray:
    """Scores by repetition, a non-gradient control; see `mda.repetition`."""
    return np.concatenate([repetition.repetition_score(part) for part in store.parts(rows)])


def excerpt(text: str, characters: int) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def table(
    steps: np.ndarray, rows: np.ndarray, scores: np.ndarray, labels: list[str], texts: list[str]
) -> pa.Table:
    """A selection: rank (1 is the first), score, row, step in the base run, label, excerpt."""
    return pa.table(
        {
            "rank": pa.array(range(1, len(rows) + 1), pa.int64()),
            "score": pa.array(scores, pa.float64()),
            "row": pa.array(rows, pa.int64()),
            "step": pa.array(steps, pa.int64()),
            "label": labels,
            "excerpt": texts,
        }
    )
