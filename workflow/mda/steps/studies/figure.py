"""Draw a study from its table."""

from pathlib import Path

from mda.figures import style
from mda.runtime import cli, files
from mda.studies import figures


def draw(table: Path, study: str, palette: style.Palette, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    style.save(figures.draw(study, files.read_csv(table), palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
