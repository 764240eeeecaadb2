"""Does removing an induction unit's samples move other induction heads more than the rest?"""

from pathlib import Path

from mda import cli, crossed, files, units
from mda.cell import Cell


def table(
    targets: list[Path],
    head_scores: list[Path],
    cells: list[Cell],
    ranks: Path,
    rank_at: int,
    threshold: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `mda.crossed.contrast`; `head_scores` and `cells` name the runs in the same order.

    `ranks` has the scores of the base run's heads, read at step `rank_at`.
    """
    members = units.written(targets)
    found = crossed.contrast(
        crossed.runs(cells, head_scores), members, crossed.final_scores(ranks, rank_at), threshold, confidence
    )
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
