"""The samples that may be selected, with their scores and labels: they are joined on disk, and not held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from mda.config import sections
from mda.planning.controls import CONTROLS
from mda.runtime import database, parquet


class Scores(NamedTuple):
    """The column `value` of a table, of the lines that have `wanted` in `column`: a line for each row."""

    path: Path
    value: str
    column: str | None = None
    wanted: str | None = None


def scores(method: str, target: str | None, path: Path) -> Scores:
    """Those by a method that reads one table: influence on a target, the loss, or a control."""
    if method in CONTROLS:
        return Scores(path, "score")
    # The loss of a sample is the same in the scores of every target.
    wanted = target or next(parquet.read_batches(path, ["target"])).column("target")[0].as_py()
    return Scores(path, "loss" if method == "loss" else "influence", "target", wanted)


def read(schedule: Path, window: sections.Window, outside: bool = False) -> Iterator[pa.RecordBatch]:
    """Steps and rows of the samples that the run reads inside the window, or outside, in its order."""
    for batch in parquet.read_batches(schedule, ["step", "row"]):
        step = batch.column("step").to_numpy()
        inside = (step >= window.start) & (step < window.stop)
        yield batch.filter(pa.array(inside != outside))


def by_row(
    data: database.Database, stream: Iterator[pa.RecordBatch], wanted: Sequence[Scores]
) -> Iterator[pa.RecordBatch]:
    """The stream by row, with scores as value_0 and on; null for a row without."""
    kept = []
    for place, one in enumerate(wanted):
        where = "" if one.column is None else f"where {one.column} = $1"
        given = [] if one.column is None else [one.wanted]
        query = (
            f"select row, {one.value} as value_{place} from {database.table(one.path)} {where} order by row"
        )
        kept.append(data.keep(f"scores-{place}", data.ask(query, given)))
    found = data.ask(f"select * from {database.table(data.keep('stream', stream))} order by row")
    for place, path in enumerate(kept):
        found = database.looked_up(found, parquet.read_batches(path, ["row", f"value_{place}"]), "row")
    return found


def labelled(batches: Iterator[pa.RecordBatch], train_rows: Path) -> Iterator[pa.RecordBatch]:
    """What is sorted by row, with the label of each row."""
    return database.looked_up(batches, database.numbered(train_rows, ["label"]), "row")
