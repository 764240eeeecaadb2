"""Draw the distribution of influence."""

from pathlib import Path

import pyarrow.compute as pc

from mda import cli, files, plots, scored


def draw(scores: Path, target: str, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    table = files.read_table(scores, columns=["target", "label", "influence"])
    mine = table.filter(pc.equal(table.column("target"), target)).to_pandas()
    plots.save(plots.influence_distribution(mine, scored.notes(scores, target)), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
