"""List the rows of a corpus that is scored without a training."""

from __future__ import annotations

from pathlib import Path

from mda.runtime import cli, files, parquet
from mda.training import schedule


def plan(train: Path, jobs: int, rows: int | None, out: Path) -> None:
    """Write `out`, a schedule whose steps are the parts that scoring jobs read; `rows` None is all rows."""
    pieces = schedule.read_once(len(files.map_array(train)), jobs, rows)
    parquet.write_tables(out, (piece.table() for piece in pieces))


if __name__ == "__main__":
    cli.run(plan)
