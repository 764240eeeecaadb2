"""Is influence better than each cheaper way to select samples?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli, files
from mda.studies.controls import table


def make(outcomes: Path, kind: str, fraction: float, confidence: float, out: Path) -> None:
    """Write `out`: `table.against_controls` of one intervention, `kind`, at one fraction."""
    csv_tables.write(out, table.against_controls(files.read_csv(outcomes), kind, fraction, confidence))


if __name__ == "__main__":
    cli.run(make)
