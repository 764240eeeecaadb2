"""Say what the columns of a result table mean, and in which unit they are.

It reads Parquet and CSV. Under the table it says what a line of it is.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from mda.report import columns
from mda.runtime.errors import UserError, printable

EXAMPLES = """\
examples:
  mda columns results/tables/effects.csv
  mda columns results/scores/scores.parquet
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("file", type=Path, help="a result table: Parquet or CSV")


def main(given: argparse.Namespace) -> int:
    """Print the columns; returns the exit status.

    Raises:
        UserError: when the file is no result table, or has a column that is not known.
    """
    names = names_of(given.file)
    table = columns.of(given.file)
    if table is None:
        raise UserError(
            f"{given.file}: is no result table of this workflow; name one, such as results/tables/effects.csv"
        )
    lines = [table.column(name) or columns.Column(name, "?", "not described") for name in names]
    print(f"{printable(str(given.file))}: {table.holds}\n")
    widths = [
        max(map(len, part)) for part in zip(("column", "unit"), *(line[:2] for line in lines), strict=True)
    ]
    for name, unit, meaning in (("column", "unit", "meaning"), *lines):
        print(printable(f"{name:{widths[0]}}  {unit:{widths[1]}}  {meaning}"))
    strange = [line.name for line in lines if line.unit == "?"]
    if strange:
        raise UserError(
            f"{given.file}: the column '{strange[0]}' is not described; another version of mda made it"
        )
    return 0


def names_of(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        UserError: when it is neither Parquet nor CSV, or cannot be read.
    """
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_schema(path).names
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error
    if path.suffix == ".csv":
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                return next(csv.reader(stream), [])
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as CSV ({error})") from error
    raise UserError(f"{path}: is neither Parquet nor CSV; only tables have columns")
