"""Do the main effects hold in models from other initial weights?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.replication import table


def make(
    outcomes: list[Path], experiments: list[str], fraction: float, start: int, confidence: float, out: Path
) -> None:
    """Write `out`: `table.replications` of the experiments, whose tables are `outcomes`."""
    tables = {name: csv_tables.read(path) for name, path in zip(experiments, outcomes, strict=True)}
    csv_tables.write(out, table.replications(tables, fraction, start, confidence))


if __name__ == "__main__":
    cli.run(make)
