"""Draw the distribution of influence."""

from pathlib import Path

from mda.evidence import score_notes
from mda.figures import influence as figure
from mda.figures import style
from mda.runtime import cli, files


def draw(scores: Path, target: str, width: float | None, dpi: int, out: list[Path]) -> None:
    """Write the figure to every path of `out`."""
    style.use_width(width)
    mine = files.read_where(scores, "target", target, ["label", "influence"]).to_pandas()
    style.save(figure.draw(mine, score_notes.notes(scores, target)), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
