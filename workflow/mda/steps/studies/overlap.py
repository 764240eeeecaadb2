"""Do different units have the same top samples?"""

from pathlib import Path

import pandas as pd

from mda.config import sections
from mda.evidence import csv_tables, ranked
from mda.models import units
from mda.runtime import cli, database, parquet
from mda.studies.overlap import table


def make(
    scores: list[Path],
    targets: list[Path],
    metrics: dict[str, str],
    window: sections.Window,
    fraction: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.overlaps` of all targets, over the samples of the window."""
    members, steps = units.written(targets), (window.start, window.stop)
    with database.beside(out) as data:
        found = [(target, path) for path in scores for target in parquet.words_of(path, "target")]
        inside = {
            target: ranked.of_table(data, f"scores-{place}", path, target, fraction, steps, labelled=True)
            for place, (target, path) in enumerate(found)
        }
        csv_tables.write(out, pd.DataFrame(table.overlaps(inside, members, metrics, confidence)))


if __name__ == "__main__":
    cli.run(make)
