"""Draw a target's metric over the base run, beside published checkpoints."""

from pathlib import Path

import pandas as pd

from mda.config import sections
from mda.evidence import curve_table
from mda.figures import base_run as figure
from mda.figures import style
from mda.models import units
from mda.planning.cell import BASE, Cell
from mda.runtime import cli, parquet


def draw(
    targets: Path,
    steps: Path,
    head_scores: Path,
    published: list[Path],
    window: sections.Window,
    target: str,
    metric: str,
    palette: style.Palette,
    width: float | None,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`.

    `published` has the metrics of published checkpoints, by step and by head, or nothing.
    """
    style.use_width(width)
    wanted = {target: (units.read_targets(targets)[target], metric)}
    tables = [
        curve_table.curves(
            Cell(BASE, "none", 0.0, 0),
            parquet.read_table(by_step).to_pandas(),
            parquet.read_table(by_head).to_pandas(),
            wanted,
        )
        for by_step, by_head in ([steps, head_scores], published)[: 2 if published else 1]
    ]
    other = tables[1] if published else pd.DataFrame()
    shaded = (window.start, window.stop)
    style.save(figure.draw(tables[0], other, metric, shaded, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
