"""Draw the metrics of every head at every checkpoint."""

from pathlib import Path

from mda.figures import heads as figure
from mda.figures import style
from mda.runtime import cli, parquet


def draw(scores: Path, names: dict[int, str], width: float | None, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`; `names` has each checkpoint by its step."""
    style.use_width(width)
    style.save(figure.draw(parquet.read_table(scores).to_pandas(), names), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
