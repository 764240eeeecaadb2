"""Draw the ICL score against the target's metric."""

from pathlib import Path

from mda.report import plots
from mda.runtime import cli, files


def draw(curves: Path, target: str, metric: str, palette: dict[str, str], dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    plots.save(plots.icl(files.read_table(curves).to_pandas(), target, metric, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
