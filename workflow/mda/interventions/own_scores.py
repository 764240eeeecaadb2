"""A selection of the user's own: a table of rows, the best first or with scores."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from mda.interventions.candidates import Scores
from mda.runtime import database, file_kinds, parquet
from mda.runtime.errors import UserError

# Columns that rank the rows, highest first: the first of them that a table has.
SCORES = ("score", "influence")
# Whole numbers from here on are not told apart in double precision, and number no row.
LARGEST = 2**53
# A piece has 65,536 lines, or a megabyte of CSV.
FIRST = 4


def keep(data: database.Database, path: Path) -> Scores:
    """A score for each row of the table, kept beside the database.

    Args:
        path: a CSV or Parquet table with the column row, and perhaps one of `SCORES`; without, the first row
            is the best. No more than a piece of it is held.

    Raises:
        UserError: when the table cannot be read, lacks the column, has a row twice, no number or no line,
            or has several targets.
    """
    kept = data.keep("own", _pieces(path))
    twice = f"select row from {database.table(kept)} group by row having count(*) > 1 order by row limit 1"
    for found in data.ask(twice):
        if len(found):
            raise UserError(f"selection.own: {path} has the row {found.column(0)[0].as_py()} twice; keep one")
    return Scores(kept, "score")


def check(path: Path) -> None:
    """Read the first `FIRST` pieces of the table, which a plan does at every start.

    Raises:
        UserError: as `keep`, of these pieces, but for a row that is there twice.
    """
    for _ in itertools.islice(_pieces(path), FIRST):
        pass


def check_enough(known: int, candidates: int, number: int, path: Path) -> None:
    """Make sure that of the candidates `number` have a score; `known` do.

    Raises:
        UserError: with the fraction that would do.
    """
    if known < number:
        raise UserError(
            f"selection.own: {path} has {known} of the {candidates} samples of the window, and {number} are "
            f"to be selected; add rows, or set fractions to {known / candidates:.6g} at most"
        )


def _pieces(path: Path) -> Iterator[pa.RecordBatch]:
    """The table's rows and scores, some lines at a time."""
    names = parquet.columns_of(path) if path.suffix == ".parquet" else _header(path)
    if len(names) == 1 and (other := _other_separator(names[0])):
        raise UserError(f"selection.own: {path} {other}")
    for name in ("row", "target", *SCORES):
        if names.count(name) > 1:
            raise UserError(f"selection.own: {path} has two columns '{name}'; keep one")
    for name in names:
        meant = name.strip().lower()
        if meant in ("row", "target", *SCORES) and meant not in names:
            raise UserError(f"selection.own: {path} has the column '{name}'; if it is '{meant}', name it so")
    if "row" not in names:
        raise UserError(f"selection.own: {path} has no column 'row', only {', '.join(names)}")
    scored = next((name for name in SCORES if name in names), None)
    wanted = [name for name in ("target", "row", scored) if name in names]
    begin, targets = 0, set[str]()
    for part in parquet.read_batches(path, wanted) if path.suffix == ".parquet" else _lines(path, wanted):
        if "target" in names:
            targets.update(map(str, part.column("target").to_pylist()))
        if len(targets) > 1:
            told = ", ".join(sorted(targets))
            raise UserError(f"selection.own: {path} has the targets {told}; keep the lines of one")
        rows = _numbers(part.column("row"), path, "row")
        if (wrong := rows[(rows != np.floor(rows)) | (rows < 0) | (rows > LARGEST)]).size:
            raise UserError(
                f"selection.own: {path} has the row {wrong[0]:g}, which is no whole number from 0 on"
            )
        places = -np.arange(begin, begin + len(rows), dtype=float)
        scores = places if scored is None else _numbers(part.column(scored), path, scored)
        yield pa.record_batch({"row": rows.astype(np.int64), "score": scores})
        begin += len(rows)
    if not begin:
        raise UserError(f"selection.own: {path} has no lines; add the rows that are to be selected")


def _header(path: Path) -> list[str]:
    try:
        with csv.open_csv(path) as table:
            return table.schema.names
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None


def _lines(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a CSV file as words: what kind a column is would be guessed from the first lines alone."""
    kinds = csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()))
    try:
        # It refuses a line that has more or fewer fields than the first.
        with csv.open_csv(path, convert_options=kinds) as table:
            yield from table
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None


def _other_separator(first: str) -> str | None:
    """That a first line has another mark between its columns than a comma."""
    other = next((mark for mark in ";\t" if mark in first and "," not in first), None)
    return None if other is None else f"has {other!r} between its columns; save it with commas"


def _unreadable(path: Path, error: Exception) -> UserError:
    what = file_kinds.no_text(path, parquet="let its name end in .parquet")
    if what is None:
        with path.open(encoding="utf-8", errors="replace") as stream:
            what = _other_separator(stream.readline(10_000))
    what = what or f"cannot be read as CSV ({str(error).splitlines()[0]}); save it as CSV or .parquet"
    return UserError(f"selection.own: {path} {what}")


def _numbers(column: pa.Array, path: Path, name: str) -> np.ndarray:
    try:
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values = np.array([_number(value) for value in column.to_pylist()])
    if (wrong := np.flatnonzero(~np.isfinite(values))).size:
        given = column[int(wrong[0])].as_py()
        raise UserError(f"selection.own: {path} has '{given}' in the column '{name}', which is no number")
    return values


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan
