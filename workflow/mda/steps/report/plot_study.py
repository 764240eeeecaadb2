"""Draw a study from its table."""

from pathlib import Path

from mda.report import plots, study_plots
from mda.runtime import cli, files


def draw(table: Path, study: str, palette: dict[str, str], dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    plots.save(study_plots.draw(study, files.read_csv(table), palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
