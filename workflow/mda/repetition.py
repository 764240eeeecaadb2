"""Repeated structure of a sample, found without any gradient."""

from __future__ import annotations

import numpy as np


def repetition_score(tokens: np.ndarray) -> np.ndarray:
    """Share of a row's bigrams that have occurred in it before: a non-gradient control.

    It is what an induction head could have copied, and a hard baseline for removal tests.

    Args:
        tokens: shape (rows, length), any integers.

    Returns:
        Shape (rows,), between 0 and 1.
    """
    wide = tokens.astype(np.int64)
    bigrams = np.sort(wide[:, :-1] * (int(wide.max(initial=0)) + 1) + wide[:, 1:], axis=1)
    return (np.diff(bigrams, axis=1) == 0).sum(axis=1) / bigrams.shape[1]


def repeat_lags(tokens: np.ndarray, shortest: int) -> list[tuple[int, int, int]]:
    """Maximal runs in which a row equals itself `lag` tokens earlier.

    Args:
        tokens: shape (length,).
        shortest: shorter runs are left out.

    Returns:
        (lag, start, stop): `tokens[start:stop] == tokens[start - lag:stop - lag]`.
    """
    runs = []
    for lag in range(1, len(tokens) - shortest + 1):
        equal = np.concatenate([[False], tokens[lag:] == tokens[:-lag], [False]])
        edges = np.flatnonzero(equal[1:] != equal[:-1])
        for start, stop in edges.reshape(-1, 2):
            if stop - start >= shortest:
                runs.append((lag, int(start) + lag, int(stop) + lag))
    return runs


def repeated_positions(tokens: np.ndarray, shortest: int) -> np.ndarray:
    """Which tokens lie in a span that occurs elsewhere in the row, shape (length,), bool."""
    marked = np.zeros(len(tokens), dtype=bool)
    for lag, start, stop in repeat_lags(tokens, shortest):
        marked[start:stop] = True
        marked[start - lag : stop - lag] = True
    return marked
