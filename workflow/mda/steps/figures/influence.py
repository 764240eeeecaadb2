"""Draw the distribution of influence."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mda.evidence import score_notes, score_parts
from mda.figures import influence as figure
from mda.figures import style
from mda.runtime import cli, database, parquet


def draw(scores: Path, target: str, width: float | None, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    style.use_width(width)
    parts = score_parts.of_target(scores, target, ["label", "influence"])
    with database.beside(out[0]) as data:
        kept = data.folder / "falling.parquet"
        ordered = data.ask(
            f"select influence::double as influence from {database.table(scores)} where target = $1 "
            "order by influence desc",
            [target],
        )
        parquet.write_tables(kept, (pa.Table.from_batches([batch]) for batch in ordered))
        found = figure.draw(parts, lambda: _numbers(kept), score_notes.notes(scores, target))
    style.save(found, out, dpi)


def _numbers(path: Path) -> Iterator[np.ndarray]:
    return (batch.column(0).to_numpy() for batch in parquet.read_batches(path, ["influence"]))


if __name__ == "__main__":
    cli.run(draw)
