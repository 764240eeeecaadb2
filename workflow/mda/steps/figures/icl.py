"""Draw the ICL score against the target's metric."""

from pathlib import Path

from mda.figures import icl as figure
from mda.figures import style
from mda.runtime import cli, parquet


def draw(
    curves: Path,
    target: str,
    metric: str,
    palette: style.Palette,
    width: float | None,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`."""
    style.use_width(width)
    style.save(figure.draw(parquet.read_table(curves).to_pandas(), target, metric, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
