"""What is shown of the document that a row is of, where each is of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mda.runtime import files

# Columns that a page shows by themselves, or not at all.
APART = ("document", "text", "label", "split")


def read(train_rows: Path, documents: Path) -> tuple[list[str], Callable[[int], list[str | None]]]:
    """The names of a document's origin and of the user's own columns, and a row's values of them.

    Args:
        train_rows: tokens/train.rows.parquet of rows that are not packed.
        documents: corpus/documents.parquet.
    """
    shown = [name for name in files.columns_of(documents) if name not in APART]
    table = files.read_table(documents, columns=["document", *shown])
    places = {document: place for place, document in enumerate(table.column("document").to_pylist())}
    values = [table.column(name).to_pylist() for name in shown]
    owners = files.read_table(train_rows, columns=["documents"]).column("documents").combine_chunks()

    def of(row: int) -> list[str | None]:
        [owner] = owners[int(row)].as_py()
        found = (column[places[owner]] for column in values)
        return [None if value is None else str(value) for value in found]

    return shown, of
