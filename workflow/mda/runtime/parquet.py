"""Read and write tables in Parquet, whole or some lines at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mda.runtime import files
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq


def write_table(path: Path, table: pa.Table | pd.DataFrame | dict[str, Any]) -> None:
    """Write a table as Parquet, with what made it in the schema's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(table, dict):
        table = pa.table(table)
    elif not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), b"made_by": files.made_by().encode()}
    with files.whole(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part)


def write_tables(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables of one schema as a single Parquet table, a row group each, as they come."""
    import pyarrow.parquet as pq

    with files.whole(path) as part:
        first = next(tables, None)
        if first is None:
            raise UserError(f"{path}: there is nothing to write; what it is made of has no lines")
        metadata = {**(first.schema.metadata or {}), b"made_by": files.made_by().encode()}
        schema = first.schema.with_metadata(metadata)
        with pq.ParquetWriter(part, schema) as writer:
            for table in itertools.chain([first], tables):
                writer.write_table(table.replace_schema_metadata(metadata))


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table.

    Raises:
        UserError: when the file is missing, truncated or not Parquet.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_table(path, columns=columns)


def read_batches_where(path: Path, column: str, value: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The lines that have this value in a column of words, some at a time and in their order; none is empty.

    Raises:
        UserError: as of `read_table`.
    """
    yield from read_batches_in(path, column, [value], columns)


def read_batches_in(
    path: Path, column: str, values: Sequence[str] | Sequence[int], columns: list[str], at_once: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """The lines whose column has one of these values, some at a time and in their order; no piece is empty.

    Parts of the file that can have none are not read. Of others, `at_once` lines are held at a time.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    with _parquet(path), opened(path) as table:
        names = [table.schema.column(place).path for place in range(len(table.schema))]
        place = names.index(column)

        def may_have(group: int) -> bool:
            ends = table.metadata.row_group(group).column(place).statistics
            unknown = ends is None or not ends.has_min_max
            return unknown or any(ends.min <= value <= ends.max for value in values)

        groups = [group for group in range(table.num_row_groups) if may_have(group)]
        read = list(dict.fromkeys([column, *columns]))
        for batch in table.iter_batches(batch_size=at_once, row_groups=groups, columns=read):
            wanted = pa.array(values, batch.column(column).type)
            found = batch.filter(pc.is_in(batch.column(column), wanted)).select(columns)
            if found.num_rows:
                yield found


def columns_of(path: Path) -> list[str]:
    """Names of a Parquet table's columns.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_schema(path).names


def lines_of(path: Path) -> int:
    """Number of lines of a Parquet table.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_metadata(path).num_rows


def words_of(path: Path, column: str) -> list[str]:
    """The values of a column of words, each once, in the order in which they come.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.compute as pc

    found = (pc.unique(batch.column(column)).to_pylist() for batch in read_batches(path, [column]))
    return list(dict.fromkeys(word for words in found for word in words))


def counts(words: pa.Array) -> dict[str, int]:
    """How often each value is there, of a column of words."""
    import pyarrow.compute as pc

    return {str(found["values"]): found["counts"] for found in pc.value_counts(words).to_pylist()}


def read_first(path: Path, lines: int | None, columns: list[str] | None = None) -> pa.Table:
    """The first lines of a Parquet table; None reads all.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow as pa

    if lines is None or lines_of(path) <= lines:
        return read_table(path, columns)
    found: list[pa.RecordBatch] = []
    for batch in read_batches(path, columns_of(path) if columns is None else columns):
        found.append(batch.slice(0, lines - sum(map(len, found))))
        if sum(map(len, found)) == lines:
            break
    return pa.Table.from_batches(found)


def read_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read a Parquet table some rows at a time, so that memory does not grow with it.

    Raises:
        UserError: when the file is missing, truncated or not Parquet.
    """
    with _parquet(path), opened(path) as table:
        yield from table.iter_batches(columns=columns)


def opened(path: Path) -> pq.ParquetFile:
    """A Parquet table that is read some rows at a time: what was read is not held until the end."""
    import pyarrow.parquet as pq

    # By default all that was read in advance is.
    return pq.ParquetFile(path, pre_buffer=False)


@contextmanager
def _parquet(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}); "
            "copy it again, or, if a run made it, delete it and run again to make it anew"
        ) from error
