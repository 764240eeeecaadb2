"""How does the effect grow with the share of samples, and which is the smallest share that has one?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.dose import table


def make(effects: Path, curves: dict[str, list[str]], confidence: float, out: Path) -> None:
    """Write `out`: `table.doses` of the effects."""
    csv_tables.write(out, table.doses(csv_tables.read(effects), curves, confidence))


if __name__ == "__main__":
    cli.run(make)
