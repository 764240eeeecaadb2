"""What is shown of the documents that a row is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mda.runtime import database, parquet
from mda.runtime.database import Database

# Columns that a page shows by themselves, or not at all.
APART = ("document", "text", "label", "split")
# What a page calls the origin of a row's first document, and how many others there are.
FIRST = "document"
# Columns on the way, which no column of a user is called.
PLACE, OTHERS = "(place)", "(others)"


def read(
    data: Database, rows: Iterable[np.ndarray], train_rows: Path, documents: Path, packed: bool
) -> tuple[list[str], Iterator[list[str | None]]]:
    """The names of what is shown of a row's documents, and the values of each row, in the order of the rows.

    A row of one document has its origin and the user's own columns. A packed row may be of several: of them
    the origin of the first is shown, and how many others there are.

    Args:
        data: what joins the tables.
        rows: in parts, shape (rows,) each.
        train_rows: tokens/train.rows.parquet.
        documents: corpus/documents.parquet.
        packed: whether a row may be of several documents.
    """
    shown = ["origin"] if packed else [name for name in parquet.columns_of(documents) if name not in APART]
    schema = pq.read_schema(documents)
    kept = data.keep("asked", _numbered(rows))
    by_row = data.ask(f"select * from {database.table(kept)} order by row")
    owned = database.looked_up(by_row, database.numbered(train_rows, ["documents"]), "row")
    kept = data.keep("owned", map(_of_first, owned))
    by_document = data.ask(f"select * from {database.table(kept)} order by document")
    fields = [schema.field(name) for name in shown]
    told = database.shielded(parquet.read_batches(documents, ["document", *shown]), fields)
    kept = data.keep("told", database.looked_up(by_document, told, "document"))
    found = data.ask(f"select * from {database.table(kept)} order by {database.quoted(PLACE)}")
    kinds = {database.own_name(place): field.type for place, field in enumerate(fields)}
    return [FIRST] if packed else shown, _values(found, kinds)


def _of_first(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The place of rows, the first of their documents, and how many others they are of."""
    documents = rows.column("documents")
    others = pc.subtract(pc.list_value_length(documents), 1)
    return pa.record_batch(
        {"document": pc.list_element(documents, 0), PLACE: rows.column(PLACE), OTHERS: others}
    )


def _numbered(rows: Iterable[np.ndarray]) -> Iterator[pa.RecordBatch]:
    begin = 0
    for part in rows:
        places = np.arange(begin, begin + len(part))
        yield pa.record_batch({PLACE: places, "row": part.astype(np.int64)})
        begin += len(part)


def _values(found: Iterable[pa.RecordBatch], kinds: Mapping[str, pa.DataType]) -> Iterator[list[str | None]]:
    for batch in found:
        given = [database.as_given(batch.column(name), kind).to_pylist() for name, kind in kinds.items()]
        for place, count in enumerate(batch.column(OTHERS).to_pylist()):
            more = f" and {count:,} more" if count else ""
            values = (column[place] for column in given)
            yield [None if value is None else f"{value}{more}" for value in values]
