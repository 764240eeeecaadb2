"""Where in the training stream is the influence, and when does the unit form?"""

from pathlib import Path

import pandas as pd

from mda.evidence import csv_tables, curve_table, score_parts
from mda.models import units
from mda.planning.cell import BASE, Cell
from mda.runtime import cli, parquet
from mda.studies.stream import table


def make(
    scores: Path,
    targets: Path,
    metrics: dict[str, str],
    steps: Path,
    head_scores: Path,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.stream` of every target; `steps`, `head_scores` are the base run's."""
    places = units.read_targets(targets)
    curves = curve_table.curves(
        Cell(BASE, "none", 0.0, 0),
        parquet.read_table(steps).to_pandas(),
        parquet.read_table(head_scores).to_pandas(),
        {name: (places[name], metrics[name]) for name in places},
    )
    lines = []
    for target, mine in score_parts.of_targets(scores, ["step", "influence"]).items():
        curve = curves.loc[curves["target"] == target, ["step", "score"]]
        lines += [{"target": target, **line} for line in table.stream(mine, curve, table.BINS, confidence)]
    csv_tables.write(out, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(make)
