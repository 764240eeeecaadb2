"""Draw the target's metric over the window in every branch."""

from pathlib import Path

from mda.figures import emergence as figure
from mda.figures import style
from mda.runtime import cli, files


def draw(
    curves: Path,
    target: str,
    metric: str,
    threshold: float,
    palette: style.Palette,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`."""
    table = files.read_table(curves).to_pandas()
    style.save(figure.draw(table, target, metric, threshold, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
