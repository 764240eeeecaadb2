"""Do the unit and in-context learning move together?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.coupling import table


def make(outcomes: Path, confidence: float, out: Path) -> None:
    """Write `out`: `table.correlations` of all runs."""
    csv_tables.write(out, table.correlations(csv_tables.read(outcomes), confidence))


if __name__ == "__main__":
    cli.run(make)
