"""Gather the metrics of all runs into one table of curves."""

from pathlib import Path

import pandas as pd

from mda.evidence import curve_table
from mda.models import units
from mda.planning.cell import Cell
from mda.runtime import cli, parquet


def gather(
    targets: Path,
    metrics: dict[str, str],
    steps: list[Path],
    head_scores: list[Path],
    cells: list[Cell],
    out: Path,
) -> None:
    """Write `out`: `mda.evidence.curve_table.curves` of every run.

    `steps`, `head_scores` and `cells` name the runs in the same order; `metrics` has the metric
    that watches each target.
    """
    places = units.read_targets(targets)
    wanted = {name: (places[name], metrics[name]) for name in places}
    parts = [
        curve_table.curves(
            cell, parquet.read_table(by_step).to_pandas(), parquet.read_table(by_head).to_pandas(), wanted
        )
        for cell, by_step, by_head in zip(cells, steps, head_scores, strict=True)
    ]
    parquet.write_table(out, pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    cli.run(gather)
