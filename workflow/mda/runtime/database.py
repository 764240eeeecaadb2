"""Sort and join tables that do not fit the memory: DuckDB, which spills to disk beside the result.

No sum of numbers that are not whole is left to it, for the order in which it adds is not fixed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mda.runtime import files
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import duckdb

# What it may hold at once, in MB, besides what it always takes; more goes to disk.
MEMORY = 400
# Lines of a piece that it gives or is given.
PIECE = 2**17


class Database:
    """A database that lives as long as a step.

    Attributes:
        folder: an empty one beside the result, for what else the step keeps for a while.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection, self.folder = connection, folder

    def give(self, name: str, batches: Iterator[pa.RecordBatch]) -> None:
        """Make pieces of one schema a table that can be read once."""
        first = next(batches)

        def every() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches

        self._connection.register(name, pa.RecordBatchReader.from_batches(first.schema, every()))

    def make(self, name: str, query: str, given: Sequence[Any] = ()) -> None:
        """Keep the answer to a query as a table."""
        self._connection.execute(f"create or replace table {name} as {query}", list(given))

    def drop(self, name: str) -> None:
        """Give up a table."""
        self._connection.execute(f"drop table {name}")

    def ask(self, query: str, given: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        """The answer to a query, some lines at a time; only one is read at a time."""
        answer = self._connection.sql(query, params=list(given))
        yield from answer.to_arrow_reader(PIECE)

    def line(self, query: str, given: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The one line of an answer."""
        [found] = self._connection.execute(query, list(given)).fetchall()
        return found


@contextmanager
def beside(out: Path, memory: int = MEMORY) -> Iterator[Database]:
    """A database whose files are in a hidden folder beside `out`; what a killed process left there goes away.

    Args:
        memory: in MB, what it may hold.

    Raises:
        UserError: when the disk is full.
    """
    # Few steps need it.
    import duckdb

    for left in out.parent.glob(f".{out.name}.*.spill"):
        files.remove(left)
    folder = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.spill")
    folder.mkdir(parents=True)
    settings = {
        "memory_limit": f"{memory}MB",
        "temp_directory": str(folder),
        "threads": threads(),
        # Queries say what they are sorted by.
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            yield Database(connection, folder)
    except duckdb.IOException as error:
        raise UserError(
            f"{out}: cannot be sorted on disk ({str(error).splitlines()[0]}); free the disk or mend the "
            "folder's permissions, then run the same command again"
        ) from error
    finally:
        files.remove(folder)


def threads() -> int:
    """As many as Snakemake gives the job; without it, one for each processor."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else len(os.sched_getaffinity(0))


def table(path: Path) -> str:
    """A Parquet table in a query; its `file_row_number` is the place of each line.

    Raises:
        UserError: when it is missing, truncated or not Parquet.
    """
    files.columns_of(path)
    # A name is no pattern, whatever it has in it.
    name = "".join(f"[{sign}]" if sign in "[*?" else sign for sign in str(path)).replace("'", "''")
    return f"read_parquet('{name}')"


def quoted(name: str) -> str:
    """A column's name in a query."""
    return '"{}"'.format(name.replace('"', '""'))


def as_given(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """A column of an answer, of the type that it has in a table."""
    return pa.nulls(len(column)) if pa.types.is_null(kind) else column.cast(kind)
