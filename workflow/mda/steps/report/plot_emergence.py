"""Draw the target's metric over the window in every branch."""

from pathlib import Path

from mda.report import plots
from mda.runtime import cli, files


def draw(
    curves: Path,
    target: str,
    metric: str,
    threshold: float,
    palette: dict[str, str],
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`."""
    table = files.read_table(curves).to_pandas()
    plots.save(plots.emergence(table, target, metric, threshold, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
