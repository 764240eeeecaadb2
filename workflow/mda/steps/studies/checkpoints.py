"""Influence at which checkpoint selects best?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.checkpoints import table


def make(outcomes: Path, configured: int, fraction: float, confidence: float, out: Path) -> None:
    """Write `out`: `table.checkpoints` of all targets."""
    found = table.checkpoints(csv_tables.read(outcomes), configured, fraction, confidence)
    csv_tables.write(out, found)


if __name__ == "__main__":
    cli.run(make)
