"""Draw the share of every label among the selected samples."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mda.config import sections
from mda.evidence import csv_tables
from mda.figures import labels as figure
from mda.figures import style
from mda.interventions import candidates
from mda.runtime import cli, database, parquet


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
    with database.beside(out_table) as data:
        read = candidates.by_row(data, candidates.read(schedule, window), [])
        parts = {"all": _counts(candidates.labelled(read, train_rows))}
    for name, path in zip(names, selections, strict=True):
        parts[name] = _counts(parquet.read_batches(path, ["label"]))
    lines = [
        {"selection": name, "label": label, "count": count, "share": count / part.total()}
        for name, part in parts.items()
        for label, count in sorted(part.items())
    ]
    table = pd.DataFrame(lines)
    csv_tables.write(out_table, table)
    style.save(figure.draw(table, target), out, dpi)


def _counts(batches: Iterator[pa.RecordBatch]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in batches:
        found.update(parquet.counts(batch.column("label")))
    return found


if __name__ == "__main__":
    cli.run(draw)
