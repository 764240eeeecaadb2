"""Draw the metrics of every head at every checkpoint."""

from pathlib import Path

from mda.report import plots
from mda.runtime import cli, files


def draw(scores: Path, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    plots.save(plots.head_maps(files.read_table(scores).to_pandas()), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
