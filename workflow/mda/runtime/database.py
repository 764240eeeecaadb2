"""Sort and join tables that do not fit the memory.

DuckDB sorts, and spills to disk beside the result. Joins are of sorted tables that are read side by side:
DuckDB holds more to join than to sort. It adds no numbers that are not whole, for it adds in any order.
"""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mda.runtime import files, parquet
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import duckdb

# What it may hold at once, in MB, besides what it always takes; more goes to disk.
MEMORY = 400
# The end of the name of a folder for what is spilled.
SPILL = ".spill"
# Lines of a piece that it gives or is given.
PIECE = 2**17


class Database:
    """A database that lives as long as a step.

    Attributes:
        folder: an empty one beside the result, for what else the step keeps for a while.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection, self.folder = connection, folder

    def keep(self, name: str, batches: Iterable[pa.RecordBatch]) -> Path:
        """Write pieces as a Parquet table in `folder`, as they come, in place of one of this name."""
        path = self.folder / name
        parquet.write_tables(path, (pa.Table.from_batches([batch]) for batch in batches))
        return path

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

    folder = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.{os.getpid()}@{socket.gethostname()}{SPILL}")
    folder.mkdir(parents=True)
    for left in out.parent.iterdir():
        named = left.name.startswith(f".{out.name}.") and left.name.endswith(SPILL)
        if named and left != folder and not _in_use(left):
            files.remove(left)
    settings = {
        "memory_limit": f"{memory}MB",
        "temp_directory": str(folder),
        "threads": threads(),
        # Queries say what they are sorted by.
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
        # All that is needed comes with it.
        "autoinstall_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            # It would print a bar where a query takes long.
            connection.execute("set enable_progress_bar = false")
            yield Database(connection, folder)
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        # Of the disk too it says that memory has run out; SLURM's retries go by these words.
        told = str(error).splitlines()[0]
        if isinstance(error, duckdb.OutOfMemoryException) and not re.search("temp_directory|offload", told):
            raise UserError(f"{out}: out of memory ({told}); give the job more memory") from error
        told = told.removeprefix("Out of Memory Error: ")
        raise UserError(
            f"{out}: cannot be sorted on disk ({told}); free the disk or mend the folder's permissions, then "
            "run the same command again"
        ) from error
    finally:
        files.remove(folder)


def _in_use(folder: Path) -> bool:
    """Whether the process that made a folder may live: one here does, or one elsewhere began not long ago."""
    owner = re.search(r"\.(\d+)@(.+)$", folder.name.removesuffix(SPILL))
    if owner is not None and owner[2] == socket.gethostname():
        try:
            os.kill(int(owner[1]), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    return time.time() - folder.stat().st_mtime <= files.STALE_SECONDS


def threads() -> int:
    """As many as Snakemake gives the job; without it, one for each processor."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else os.cpu_count() or 1


def table(path: Path) -> str:
    """A Parquet table in a query.

    Raises:
        UserError: when it is missing, truncated or not Parquet.
    """
    return tables([path])


def tables(paths: Sequence[Path]) -> str:
    """Parquet tables in a query, one after the other."""
    names = []
    for path in paths:
        parquet.columns_of(path)
        # A name is no pattern, whatever it has in it.
        name = "".join(f"[{sign}]" if sign in "[*?" else sign for sign in str(path)).replace("'", "''")
        names.append(f"'{name}'")
    return f"read_parquet([{', '.join(names)}])"


def numbered(path: Path, columns: list[str], name: str = "row") -> Iterator[pa.RecordBatch]:
    """Columns of a Parquet table, and the place of each line as a column `name`."""
    begin = 0
    for batch in parquet.read_batches(path, columns):
        yield batch.append_column(name, pa.array(np.arange(begin, begin + len(batch))))
        begin += len(batch)


def looked_up(
    batches: Iterable[pa.RecordBatch], table: Iterator[pa.RecordBatch], key: str
) -> Iterator[pa.RecordBatch]:
    """Pieces with the other columns of a table, of its first line with the same key, or null.

    Both are sorted by the key, a whole number, and no more than a piece of each is held.

    Raises:
        UserError: when the table is empty, or not sorted.
    """
    table = _ascending(table, key)
    held = next(table, None)
    if held is None:
        raise UserError(f"a table to be joined by {key} has no lines; delete it and run again")
    keys = held.column(key).to_numpy()
    for batch in (batch for batch in batches if len(batch)):
        wanted, parts, done = batch.column(key).to_numpy(), [], 0
        while done < len(wanted):
            # What is beyond the last piece is in none.
            stop = int(np.searchsorted(wanted, keys[-1], side="right"))
            places = np.searchsorted(keys, wanted[done:stop])
            parts.append(held.take(pa.array(places, mask=keys[places] != wanted[done:stop])))
            done = stop
            if done < len(wanted):
                following = next(table, None)
                if following is None:
                    parts.append(held.take(pa.nulls(len(wanted) - done, pa.int64())))
                    break
                held, keys = following, following.column(key).to_numpy()
        found = pa.Table.from_batches(parts).combine_chunks()
        for name in found.column_names:
            if name != key:
                column = found.column(name)
                batch = batch.append_column(found.schema.field(name), column.combine_chunks())
        yield batch
    for _ in table:
        # Whether the rest is sorted, too.
        pass


def side_by_side(
    one: Iterator[pa.RecordBatch], other: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Pieces of two tables, cut alike; no more than a piece of each is held.

    Raises:
        UserError: when one has fewer lines.
    """
    mine, its = next(one, None), next(other, None)
    while mine is not None and its is not None:
        common = min(len(mine), len(its))
        yield mine.slice(0, common), its.slice(0, common)
        mine = mine.slice(common) if common < len(mine) else next(one, None)
        its = its.slice(common) if common < len(its) else next(other, None)
    if mine is not None or its is not None:
        raise UserError("two tables of the same samples differ in length; delete both and run again")


def _ascending(table: Iterator[pa.RecordBatch], key: str) -> Iterator[pa.RecordBatch]:
    last = None
    for batch in table:
        keys = batch.column(key).to_numpy()
        # Else lines would not be found, in silence.
        if len(keys) and ((np.diff(keys) < 0).any() or (last is not None and keys[0] < last)):
            raise UserError(f"a table is not sorted by its column {key}; delete it and run again")
        last = keys[-1] if len(keys) else last
        yield batch


def shielded(batches: Iterable[pa.RecordBatch], fields: Sequence[pa.Field]) -> Iterator[pa.RecordBatch]:
    """Pieces with a user's columns under names that differ in more than case, to which DuckDB is blind.

    They are those of `own_name`, in the order of the fields.

    Raises:
        UserError: when a nested column has names that differ in case alone.
    """
    for field in fields:
        _check_nested(field.name, field.type)
    for batch in batches:
        names = {field.name: own_name(place) for place, field in enumerate(fields)}
        yield batch.rename_columns([names.get(name, name) for name in batch.schema.names])


def own_name(place: int) -> str:
    """What a user's column is called on the way, by its place among them."""
    return f"(own {place})"


def _check_nested(column: str, kind: pa.DataType) -> None:
    inner = [kind.field(place) for place in range(kind.num_fields)] if pa.types.is_nested(kind) else []
    names = [field.name.casefold() for field in inner]
    if len(set(names)) < len(names):
        raise UserError(
            f"the column '{column}' of the documents has nested names that differ in case alone "
            f"({', '.join(field.name for field in inner)}); rename one"
        )
    for field in inner:
        _check_nested(column, field.type)


def quoted(name: str) -> str:
    """A column's name in a query."""
    return '"{}"'.format(name.replace('"', '""'))


def as_given(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """A column of an answer, of the type that it has in a table."""
    return pa.nulls(len(column)) if pa.types.is_null(kind) else column.cast(kind)
