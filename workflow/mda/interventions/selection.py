"""Selecting training samples: by influence, and by the controls it is held against."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mda.corpus.tokens import TokenStore
from mda.interventions import repetition


def count(candidates: int, fraction: float) -> int:
    """Number of samples of a fraction, at least one."""
    return max(1, round(candidates * fraction))


def top(scores: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Positions of the highest scores, highest first; ties are broken at random, by seed."""
    drawn = ties(seed).random(len(scores))
    # What is sorted is no more than may be among them.
    place = max(0, len(scores) - number)
    lowest = np.partition(scores, place)[place]
    able = np.flatnonzero(scores >= lowest)
    return able[np.lexsort((drawn[able], -scores[able]))[:number]]


def ties(seed: int) -> np.random.Generator:
    """What draws a number for each candidate, in the run's order: of equal scores the lowest is first."""
    return np.random.default_rng([seed, 3])


# Methods that select at random, each with a stream of its own.
STREAMS = {"random": 4, "matched": 5, "subset": 6}


def draws(method: str, seed: int, draw: int) -> np.random.Generator:
    """What draws a score for each candidate, to select at random; of one seed there are many draws."""
    return np.random.default_rng([seed, STREAMS[method], draw])


def repetition_scores(store: TokenStore, rows: np.ndarray) -> np.ndarray:
    """Scores by repetition, a non-gradient control; see `mda.interventions.repetition`."""
    return np.concatenate([repetition.repetition_score(part) for part in store.parts(rows)])


def bigram_scores(store: TokenStore, rows: np.ndarray) -> np.ndarray:
    """Scores by repeated bigrams; see `mda.interventions.repetition.bigram_score`."""
    return np.concatenate([repetition.bigram_score(part) for part in store.parts(rows)])


def compressibility(text: str) -> float:
    """Share of a text's bytes (UTF-8) that zlib saves at its highest level: a non-gradient control.

    More is easier to compress. Unlike `repetition_score` it counts characters: it sees repeats within and
    across tokens, and characters that are frequent. The compressor's header is left out (raw deflate), so
    that short texts can be compared. It is below 0 where the compressed text is longer, and 0 of an empty
    one. Versions of zlib may differ by a byte or two.
    """
    original = text.encode()
    if not original:
        return 0.0
    compressor = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    return 1 - len(compressor.compress(original) + compressor.flush()) / len(original)


def compressibility_scores(store: TokenStore, rows: np.ndarray, tokenizer) -> np.ndarray:
    """`compressibility` of each row's text, without special tokens."""
    return np.array(
        [
            compressibility(text)
            for part in store.tokens_of(rows)
            for text in tokenizer.decode_batch([row.tolist() for row in part], skip_special_tokens=True)
        ]
    )


def bm25_scores(store: TokenStore, rows: np.ndarray, queries: Sequence[np.ndarray]) -> np.ndarray:
    """BM25 of each row against all the queries' tokens (Robertson & Zaragoza 2009), a control.

    Args:
        queries: sequences of tokens, shape (length,) each; their terms count as often as they occur.
    """
    # Heavier than numpy, and only this control needs it.
    import bm25s

    asked = {str(token) for query in queries for token in query.tolist()}
    # All rows have one length, so that terms nobody asks for change nothing.
    documents = [
        [term for term in map(str, row) if term in asked]
        for part in store.parts(rows)
        for row in part.tolist()
    ]
    if not any(documents):
        # bm25s cannot index a corpus without a term.
        return np.zeros(len(documents))
    index = bm25s.BM25()
    index.index(documents, show_progress=False)
    return np.sum([index.get_scores([str(token) for token in query.tolist()]) for query in queries], axis=0)


def excerpt(text: str, characters: int) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def table(
    first: int, steps: np.ndarray, rows: np.ndarray, scores: np.ndarray, labels: list[str], texts: list[str]
) -> pa.Table:
    """A part of a selection: rank (the part's `first`, and on), score, row, step, label, excerpt."""
    return pa.table(
        {
            "rank": pa.array(np.arange(first, first + len(rows)), pa.int64()),
            "score": pa.array(scores, pa.float64()),
            "row": pa.array(rows, pa.int64()),
            "step": pa.array(steps, pa.int64()),
            "label": pa.array(labels, pa.string()),
            "excerpt": pa.array(texts, pa.string()),
        }
    )
