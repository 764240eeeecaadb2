"""What does removing the samples of one unit do to all heads?"""

from pathlib import Path

import pandas as pd

from mda.evidence import csv_tables
from mda.models import units
from mda.models.units import Head
from mda.planning.cell import Cell
from mda.runtime import cli, parquet
from mda.studies.crossed import table


def make(
    targets: list[Path],
    head_scores: list[Path],
    cells: list[Cell],
    ranks: Path,
    rank_at: int,
    threshold: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.effects`; `head_scores` and `cells` name the runs in the same order.

    `ranks` has the scores of the base run's heads, read at step `rank_at`.
    """
    runs = [
        table.areas(cell, parquet.read_table(path).to_pandas())
        for cell, path in zip(cells, head_scores, strict=True)
    ]
    final = {
        str(Head(row["layer"], row["head"])): row["prefix_matching"]
        for row in parquet.read_table(ranks).to_pylist()
        if row["step"] == rank_at
    }
    every = pd.concat(runs, ignore_index=True)
    # Of a whole attention, all heads of its layer.
    members = {
        name: [*own, *(head for head in final if f"{head.partition('H')[0]}.attention" in own)]
        for name, own in units.written(targets).items()
    }
    csv_tables.write(out, table.effects(every, members, final, threshold, confidence))


if __name__ == "__main__":
    cli.run(make)
