"""Do different units have the same top samples?"""

from pathlib import Path

import pandas as pd

from mda.config import sections
from mda.evidence import csv_tables, score_table
from mda.models import units
from mda.runtime import cli
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
    members = units.written(targets)
    inside = {
        name: part[part["step"].between(window.start, window.stop - 1)]
        for path in scores
        for name, part in score_table.read(path, ("influence", "label")).items()
    }
    lines = table.overlaps(inside, members, metrics, fraction, confidence)
    csv_tables.write(out, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(make)
