"""Does influence do more than each cheap control, over several models and orders of their samples?"""

from pathlib import Path

from mda.config import study_sections
from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.contrasts import table


def make(
    outcomes: list[Path],
    experiments: list[str],
    planned: list[study_sections.Contrast],
    fraction: float,
    start: int,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.contrasts` of the experiments, whose tables are `outcomes`."""
    tables = {name: csv_tables.read(path) for name, path in zip(experiments, outcomes, strict=True)}
    csv_tables.write(out, table.contrasts(tables, planned, fraction, start, confidence))


if __name__ == "__main__":
    cli.run(make)
