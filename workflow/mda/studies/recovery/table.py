"""Are known catalysts found? Scores are compared with the labels of corpora that were made for this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.evidence import csv_tables, statistics
from mda.evidence.statistics import Estimate
from mda.interventions import selection
from mda.runtime import parquet, ranking

# Lines in pieces, anew each time it is called.
Lines = Callable[[], Iterator[pa.RecordBatch]]


def recovery(
    scores: Mapping[str, Lines], catalyst: str, decoy: str | None, fraction: float, confidence: float
) -> list[dict[str, Any]]:
    """A line for each method: how well its scores tell the catalysts from the rest.

    Args:
        scores: method -> value and label of each sample, the highest value first.
        catalyst, decoy: their labels.
        fraction: the share that counts as top.

    Returns:
        method, samples, rate (share of catalysts), auroc (of catalysts against the rest) and decoys_auroc
        (against the decoys alone) with their intervals, precision (share of catalysts among the top) and its
        interval, decoys_top (share of decoys there). Of decoys nan, where there are none.
    """
    lines = []
    for method, falling in scores.items():
        every = _labels(falling)
        number = selection.count(every.total(), fraction)
        top = _labels(falling, number)
        known = decoy is not None and every[decoy] > 0
        against = _auroc(_of(falling, [catalyst, decoy]), catalyst, confidence) if known else None
        lines.append(
            {
                "method": method,
                "samples": every.total(),
                "rate": every[catalyst] / every.total(),
                **csv_tables.columns("auroc", _auroc(falling, catalyst, confidence)),
                **csv_tables.columns("decoys_auroc", against or statistics.UNKNOWN),
                **csv_tables.columns("precision", statistics.proportion(top[catalyst], number, confidence)),
                "decoys_top": top[decoy] / number if known else np.nan,
            }
        )
    return lines


def _labels(falling: Lines, first: int | None = None) -> Counter[str | None]:
    """How many lines each label has, of all or of the first."""
    found: Counter[str | None] = Counter()
    for piece in falling():
        left = len(piece) if first is None else first - found.total()
        found.update(parquet.counts(piece.column("label").slice(0, left)))
    return found


def _of(falling: Lines, labels: list[str | None]) -> Lines:
    def kept() -> Iterator[pa.RecordBatch]:
        found = (piece.filter(pc.is_in(piece.column("label"), pa.array(labels))) for piece in falling())
        return (piece for piece in found if len(piece))

    return kept


def _auroc(falling: Lines, catalyst: str, confidence: float) -> Estimate:
    """Of catalysts against all others, by the sum of their ranks (Mann and Whitney 1947)."""

    def values() -> Iterator[np.ndarray]:
        return (piece.column("value").to_numpy() for piece in falling())

    many = few = lower = 0
    samples = sum(len(piece) for piece in falling())
    for piece, (first, stop) in zip(falling(), ranking.places(values), strict=True):
        mine = pc.equal(piece.column("label"), catalyst).to_numpy(zero_copy_only=False)
        # Twice the ranks, which are whole.
        lower += int((2 * samples + 1 - first - stop)[mine].sum())
        many, few = many + int(mine.sum()), few + int((~mine).sum())
    return statistics.auroc_of((lower - many * (many + 1)) / 2, many, few, confidence)
