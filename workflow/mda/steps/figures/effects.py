"""Draw the effect of every cell with its interval."""

from pathlib import Path

from mda.evidence import csv_tables
from mda.figures import effects as figure
from mda.figures import style
from mda.runtime import cli


def draw(
    effects: Path, target: str, palette: style.Palette, width: float | None, dpi: int, out: list[Path]
) -> None:
    """Write the figure to every path of `out`."""
    style.use_width(width)
    outcomes = ["formation_step", "score_area", "icl_area"]
    style.save(figure.draw(csv_tables.read(effects), target, outcomes, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
