"""Draw the distribution of influence."""

from pathlib import Path

import pyarrow.compute as pc

from mda.evidence import score_notes
from mda.report import plots
from mda.runtime import cli, files


def draw(scores: Path, target: str, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    table = files.read_table(scores, columns=["target", "label", "influence"])
    mine = table.filter(pc.equal(table.column("target"), target)).to_pandas()
    plots.save(plots.influence_distribution(mine, score_notes.notes(scores, target)), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
