"""Draw the target's metric over the window in every branch."""

from pathlib import Path

from mda.config import sections
from mda.figures import emergence as figure
from mda.figures import style
from mda.runtime import cli, parquet


def draw(
    curves: Path,
    target: str,
    metric: str,
    threshold: float,
    confidence: float,
    window: sections.Window,
    scored_at: int,
    palette: style.Palette,
    width: float | None,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`; influence was computed at step `scored_at`."""
    style.use_width(width)
    table = parquet.read_table(curves).to_pandas()
    marked = (window.start, window.stop, scored_at)
    style.save(figure.draw(table, target, metric, threshold, confidence, marked, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
