"""Is influence better than each cheaper way to select samples?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.controls import table


def make(outcomes: Path, kind: str, fraction: float, confidence: float, out: Path) -> None:
    """Write `out`: `table.against_controls` of one intervention, `kind`, at one fraction."""
    csv_tables.write(out, table.against_controls(csv_tables.read(outcomes), kind, fraction, confidence))


if __name__ == "__main__":
    cli.run(make)
