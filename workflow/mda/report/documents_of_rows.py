"""What is shown of the documents that a row is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mda.runtime import files

# Columns that a page shows by themselves, or not at all.
APART = ("document", "text", "label", "split")
# What a page calls the origin of a row's first document, and how many others there are.
FIRST = "document"


def read(
    train_rows: Path, documents: Path, packed: bool
) -> tuple[list[str], Callable[[int], list[str | None]]]:
    """The names of what is shown of a row's documents, and a row's values of them.

    A row of one document has its origin and the user's own columns. A packed row may be of several: of them
    the origin of the first is shown, and how many others there are.

    Args:
        train_rows: tokens/train.rows.parquet.
        documents: corpus/documents.parquet.
        packed: whether a row may be of several documents.
    """
    shown = ["origin"] if packed else [name for name in files.columns_of(documents) if name not in APART]
    table = files.read_table(documents, columns=["document", *shown])
    numbers = table.column("document").to_numpy()
    order = np.argsort(numbers)
    values = [table.column(name) for name in shown]
    owners = files.read_table(train_rows, columns=["documents"]).column("documents").combine_chunks()

    def of(row: int) -> list[str | None]:
        first, *others = owners[int(row)].as_py()
        place = int(order[np.searchsorted(numbers, first, sorter=order)])
        found = (column[place].as_py() for column in values)
        more = f" and {len(others):,} more" if others else ""
        return [None if value is None else f"{value}{more}" for value in found]

    return [FIRST] if packed else shown, of
