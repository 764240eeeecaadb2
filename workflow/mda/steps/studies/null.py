"""On a corpus without catalysts, how often is an effect seen?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.null import table


def make(effects: Path, confidence: float, out: Path) -> None:
    """Write `out`: `table.false_positives` of the effects on the corpus without catalysts."""
    csv_tables.write(out, table.false_positives(csv_tables.read(effects), confidence))


if __name__ == "__main__":
    cli.run(make)
