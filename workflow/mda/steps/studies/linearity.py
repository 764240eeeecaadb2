"""Does the derivative through training predict what masking samples does?"""

from pathlib import Path

import pandas as pd

from mda.config import trajectory_section
from mda.evidence import csv_tables
from mda.planning.cell import BASE, Cell
from mda.planning.design import Selection
from mda.runtime import cli, parquet
from mda.studies.linearity import table


def make(
    curves: Path,
    streams: list[Path],
    walks: list[Path],
    cells: list[Cell],
    orders: list[int],
    outcomes: list[trajectory_section.Outcome],
    out: Path,
) -> None:
    """Write `out`, a line for each outcome of a target's metric and each masked branch: `table.line`.

    `streams` are what the masked branches `cells` change, `walks` the scores of `orders`, in the same
    order; `curves` are those of all of these runs.
    """
    runs = parquet.read_table(curves).to_pandas()
    scores = {order: parquet.read_table(path).to_pandas() for order, path in zip(orders, walks, strict=True)}
    lines = []
    for cell, path in zip(cells, streams, strict=True):
        stream = parquet.read_table(path).to_pandas()
        target = Selection.parse(cell.selection).target
        for outcome in outcomes:
            if outcome.measure not in table.COLUMNS or target not in (None, outcome.target):
                continue
            values = table.found(runs, outcome)
            walk = scores[cell.seed]
            lines.append(
                {
                    "target": outcome.target,
                    "outcome": outcome.name,
                    "selection": cell.selection,
                    "fraction": cell.fraction,
                    "order": cell.seed,
                    **table.line(
                        walk[walk["outcome"] == outcome.name],
                        stream,
                        float(values[Cell(BASE, "none", 0.0, cell.seed)]),
                        float(values[cell]),
                    ),
                }
            )
    csv_tables.write(out, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(make)
