"""Draw the share of every label among the selected samples."""

from pathlib import Path

import numpy as np
import pandas as pd

from mda.config import sections
from mda.evidence import csv_tables
from mda.figures import labels as figure
from mda.figures import style
from mda.runtime import cli, parquet
from mda.training import schedule as schedules


def draw(
    schedule: Path,
    train_rows: Path,
    selections: list[Path],
    names: list[str],
    window: sections.Window,
    target: str,
    width: float | None,
    dpi: int,
    out: list[Path],
    out_table: Path,
) -> None:
    """Write the figure to every path of `out`, and its numbers to `out_table` (CSV).

    `names` are the names of the selections in the same order.
    """
    style.use_width(width)
    labels = np.array(parquet.read_table(train_rows, columns=["label"]).column("label").to_pylist())
    stream = schedules.Schedule.read(schedule).between(window.start, window.stop)
    parts = {"all": labels[stream.row]}
    for name, path in zip(names, selections, strict=True):
        parts[name] = np.array(parquet.read_table(path, columns=["label"]).column("label").to_pylist())
    lines = [
        {"selection": name, "label": label, "count": int(count), "share": count / len(part)}
        for name, part in parts.items()
        for label, count in zip(*np.unique(part, return_counts=True), strict=True)
    ]
    table = pd.DataFrame(lines)
    csv_tables.write(out_table, table)
    style.save(figure.draw(table, target), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
