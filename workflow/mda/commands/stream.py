"""Write all that a branch trains on: a line for each sample of each step, with its role.

A branch's own file in schedules/branches has only what it changes in the order of its seed. This puts both
together, as the training itself does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mda.runtime.errors import UserError, printable

EXAMPLES = """\
examples:
  mda stream results/schedules/branches/replace/random/top-10/seed-0.parquet stream.parquet
  mda stream results/schedules/branches/replace/random/top-10/seed-0.parquet stream.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("file", type=Path, help="what a branch changes: a file in schedules/branches")
    parser.add_argument("out", type=Path, help="the table to write: .parquet or .csv")


def main(given: argparse.Namespace) -> int:
    """Write the table; returns the exit status.

    Raises:
        UserError: when the file is of no branch, its table cannot be read, or the other must not be written.
    """
    from mda.evidence import csv_tables
    from mda.training import schedule

    if given.out.suffix not in (".parquet", ".csv"):
        raise UserError(
            f"{given.out}: is neither Parquet nor CSV; name a file that ends with .parquet or .csv"
        )
    out = given.out.resolve()
    if out == given.file.resolve() or any(folder.name == "schedules" for folder in out.parents):
        raise UserError(f"{given.out}: is a place of results, in a folder schedules; name a file elsewhere")
    whole = schedule.read(order_of(given.file), given.file)
    if given.out.suffix == ".parquet":
        whole.write(given.out)
    else:
        csv_tables.write(given.out, whole.table().to_pandas())
    print(
        printable(
            f"{given.out}: {len(whole.row)} lines; mda columns {order_of(given.file)} says what they mean"
        )
    )
    return 0


def order_of(changes: Path) -> Path:
    """The order that a branch's file changes.

    Raises:
        UserError: when it is not in a folder of branches.
    """
    for folder in changes.absolute().parents:
        if folder.name == "branches" and folder.parent.name == "schedules":
            return folder.parent / "orders" / changes.name
    raise UserError(
        f"{changes}: is of no branch; name a file such as "
        "results/schedules/branches/replace/random/top-10/seed-0.parquet"
    )
