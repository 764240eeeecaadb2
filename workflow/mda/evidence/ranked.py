"""Scores with their ranks, which are sorted on disk, and how two scores of the same samples agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from mda.evidence import statistics
from mda.evidence.statistics import Estimate
from mda.interventions import selection
from mda.runtime import database, files, parquet, ranking
from mda.runtime.database import Database
from mda.runtime.errors import UserError


class Ranked(NamedTuple):
    """Samples in the order of the run, ranked by their influence.

    Attributes:
        pieces: their lines, some at a time and anew each time it is called: row; rank, twice the rank, which
            is 1 for the lowest influence, and of ties their mean; top, whether it is among the top.
        samples, top: how many there are, and how many of them are top; of ties the first in the run are.
        equal: whether all scores are equal, so that they rank nothing.
        labels, top_labels: how many samples each label has in all, and among the top; empty of scores
            without labels.
    """

    pieces: Callable[[], Iterator[pa.RecordBatch]]
    samples: int
    top: int
    equal: bool
    labels: Counter[str]
    top_labels: Counter[str]


def of_table(
    data: Database,
    name: str,
    path: Path,
    target: str,
    fraction: float,
    steps: tuple[int, int] | None = None,
    labelled: bool = False,
) -> Ranked:
    """A target's samples in a table of scores, of which no more than a piece is held.

    Args:
        data: what sorts them; its folder holds the ranks, by the name, until others have it.
        fraction: the share that counts as top.
        steps: from, to before; None for all.
        labelled: whether labels are counted.
    """
    inside = "" if steps is None else f" and step >= {steps[0]} and step < {steps[1]}"
    columns = "step, row, influence" + (", label" if labelled else "")
    query = f"select {columns} from {database.table(path)} where target = $1{inside}"
    falling = data.keep(f"{name}-falling", data.ask(f"{query} order by influence desc, step, row", [target]))
    samples = parquet.lines_of(falling)
    ends = data.line(f"select min(influence), max(influence) from {database.table(falling)}")
    found = Ranked(
        lambda: parquet.read_batches(data.folder / name, ["row", "rank", "top"]),
        samples,
        selection.count(samples, fraction),
        statistics.constant(np.array(ends)),
        Counter(),
        Counter(),
    )
    placed = data.keep(f"{name}-placed", _placed(falling, found, labelled))
    files.remove(falling)
    ordered = data.ask(f"select row, rank, top from {database.table(placed)} order by step, row")
    data.keep(name, ordered)
    files.remove(placed)
    return found


def _placed(falling: Path, found: Ranked, labelled: bool) -> Iterator[pa.RecordBatch]:
    """Lines of falling influence with their ranks; their labels are counted."""

    def influences() -> Iterator[np.ndarray]:
        return (batch.column(0).to_numpy() for batch in parquet.read_batches(falling, ["influence"]))

    begin, columns = 0, ["step", "row", *(["label"] if labelled else [])]
    lines = parquet.read_batches(falling, columns)
    for batch, (first, stop) in zip(lines, ranking.places(influences), strict=True):
        top = np.arange(begin, begin + len(batch)) < found.top
        if labelled:
            found.labels.update(parquet.counts(batch.column("label")))
            found.top_labels.update(parquet.counts(batch.column("label").filter(pa.array(top))))
        yield pa.record_batch(
            {
                "step": batch.column("step"),
                "row": batch.column("row"),
                "rank": 2 * found.samples + 1 - first - stop,
                "top": top,
            }
        )
        begin += len(batch)


def of_array(scores: np.ndarray, fraction: float, labels: Sequence[str] = ()) -> Ranked:
    """The same of scores that are held, shape (samples,), and of their labels, if they have any."""
    number = selection.count(len(scores), fraction)
    chosen = np.argsort(-scores, kind="stable")[:number]
    top = np.zeros(len(scores), bool)
    top[chosen] = True
    ranks = (2 * stats.rankdata(scores)).astype(np.int64)
    piece = pa.record_batch({"row": np.arange(len(scores)), "rank": ranks, "top": top})
    return Ranked(
        lambda: iter([piece]),
        len(scores),
        number,
        statistics.constant(scores),
        Counter(labels),
        Counter(labels[place] for place in chosen if labels),
    )


def together(one: Ranked, other: Ranked, confidence: float) -> tuple[int, Estimate]:
    """How many top samples are top in both, and the rank correlation, as of `statistics.rank_correlation`.

    Raises:
        UserError: when they are not of the same samples.
    """
    common, squares, others, products = 0, [], [], []
    middle = one.samples + 1
    for mine, its in database.side_by_side(one.pieces(), other.pieces()):
        if not mine.column("row").equals(its.column("row")):
            raise UserError(
                "two tables of scores are not of the same samples; delete the folders scores and variants "
                "and run again"
            )
        common += pc.sum(pc.and_(mine.column("top"), its.column("top"))).as_py()
        # From the mean rank, so that the sums stay small.
        ranks, its_ranks = (
            (piece.column("rank").to_numpy() - middle).astype(np.float64) for piece in (mine, its)
        )
        squares.append(float(ranks @ ranks))
        others.append(float(its_ranks @ its_ranks))
        products.append(float(ranks @ its_ranks))
    if one.samples < 4 or one.equal or other.equal:
        return common, statistics.UNKNOWN
    value = math.fsum(products) / math.sqrt(math.fsum(squares) * math.fsum(others))
    return common, statistics.rank_interval(value, one.samples, confidence)
