"""What is shown of the documents that a row is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mda.runtime import database, files
from mda.runtime.database import Database

# Columns that a page shows by themselves, or not at all.
APART = ("document", "text", "label", "split")
# What a page calls the origin of a row's first document, and how many others there are.
FIRST = "document"


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
    shown = ["origin"] if packed else [name for name in files.columns_of(documents) if name not in APART]
    data.give("asked", _numbered(rows))
    told = "".join(f", documents.{database.quoted(name)}" for name in shown)
    found = data.ask(
        f"select len(rows.documents) - 1{told} from asked "
        f"join {database.table(train_rows)} rows on asked.row = rows.file_row_number "
        f"join {database.table(documents)} documents on rows.documents[1] = documents.document "
        "order by place"
    )
    schema = pq.read_schema(documents)
    return [FIRST] if packed else shown, _values(found, [schema.field(name).type for name in shown])


def _numbered(rows: Iterable[np.ndarray]) -> Iterator[pa.RecordBatch]:
    begin = 0
    for part in rows:
        places = np.arange(begin, begin + len(part))
        yield pa.record_batch({"place": places, "row": part.astype(np.int64)})
        begin += len(part)


def _values(found: Iterable[pa.RecordBatch], kinds: list[pa.DataType]) -> Iterator[list[str | None]]:
    for batch in found:
        others, *columns = batch.columns
        given = [database.as_given(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        for count, *values in zip(others.to_pylist(), *(column.to_pylist() for column in given), strict=True):
            more = f" and {count:,} more" if count else ""
            yield [None if value is None else f"{value}{more}" for value in values]
