"""Draw the effect of every cell with its interval."""

from pathlib import Path

from mda.report import plots
from mda.runtime import cli, files


def draw(effects: Path, target: str, palette: dict[str, str], dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    outcomes = ["formation_step", "score_area", "icl_area"]
    plots.save(plots.effects(files.read_csv(effects), target, outcomes, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
