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


def bigram_score(tokens: np.ndarray) -> np.ndarray:
    """Frequency times reliability of a row's repeated bigrams: a non-gradient control.

    Frequency is the share of the row's bigrams that have occurred in it before (`repetition_score`).
    Reliability is the share of such bigrams among those whose first token has begun a bigram before:
    how often a token that returns is followed by something that followed it earlier. Of rows that repeat as
    much, the ones in which a token has few followers score higher.

    The two properties are those of the abstract of arXiv 2511.16893 ("surface bigram repetition frequency
    and reliability"), which relates them to the formation of induction heads, as properties of a corpus. Here
    they are of a single row, and the formula is this project's: the paper's own estimators may differ.

    Args:
        tokens: shape (rows, length), any integers from 0 on.

    Returns:
        Shape (rows,), between 0 and 1; 0 where no token returns.
    """
    frequency = repetition_score(tokens)
    firsts = np.sort(tokens[:, :-1], axis=1)
    returns = (np.diff(firsts, axis=1) == 0).sum(axis=1) / firsts.shape[1]
    # What repeats begins with a token that returns, so that the second is never below the first.
    return frequency**2 / np.where(returns > 0, returns, 1)


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


def repeated_spans(tokens: np.ndarray, shortest: int) -> np.ndarray:
    """Which repeated span each token belongs to, shape (length,), int32; 0 for none.

    A span is a longest stretch of at least `shortest` tokens that occurs elsewhere in the row, and
    has the same number wherever it occurs; of a motif shown over and over it is the motif. What is
    left, stretches that occur only across or within such spans, has the number of the span it is a
    part of elsewhere. Numbers are those of first appearance. The marked tokens are exactly those of
    `repeated_positions`.
    """
    # The longest first.
    runs = sorted(repeat_lags(tokens, shortest), key=lambda run: (run[1] - run[2], run[1], run[0]))
    # Python finds parts of texts fast.
    text = "".join(map(chr, tokens.tolist()))
    spans = np.zeros(len(tokens), dtype=np.int32)
    # A run longer than its lag overlaps its earlier occurrence: a motif of `lag` tokens, over and over.
    units = [_root(text[start - lag : min(stop - lag, start)], shortest) for lag, start, stop in runs]
    for unit in sorted(dict.fromkeys(units), key=len, reverse=True):
        places = _free_places(text, unit, spans) if len(unit) >= shortest else []
        if len(places) > 1:
            number = int(spans.max()) + 1
            for place in places:
                spans[place : place + len(unit)] = number
    for lag, start, stop in runs:
        here, before = spans[start:stop], spans[start - lag : stop - lag]
        # The two may overlap, and what is filled in one then goes on in the other.
        while ((here == 0) != (before == 0)).any():
            here[here == 0] = before[here == 0]
            before[before == 0] = here[before == 0]
        if not here.all():
            here[here == 0] = spans.max() + 1
            before[before == 0] = spans.max()
    return _renumbered(spans)


def _root(text: str, shortest: int) -> str:
    """The shortest part that gives the text by repetition, or as many of it as are long enough."""
    length = (text + text).find(text, 1)
    return text[: length * -(-shortest // length)]


def _free_places(text: str, part: str, spans: np.ndarray) -> list[int]:
    """Where a part occurs among tokens without a span, one occurrence after the other."""
    places, place = [], text.find(part)
    while place >= 0:
        free = not spans[place : place + len(part)].any()
        if free:
            places.append(place)
        place = text.find(part, place + (len(part) if free else 1))
    return places


def _renumbered(spans: np.ndarray) -> np.ndarray:
    """Numbers from 1 in the order of first appearance; 0 stays."""
    numbers, first = np.unique(spans[spans > 0], return_index=True)
    new = np.zeros(int(spans.max(initial=0)) + 1, dtype=np.int32)
    new[numbers[np.argsort(first)]] = np.arange(1, len(numbers) + 1)
    return new[spans]
