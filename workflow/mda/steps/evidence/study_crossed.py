"""What does removing the samples of one unit do to all heads?"""

from pathlib import Path

from mda.evidence.studies import crossed
from mda.models import units
from mda.planning.cell import Cell
from mda.runtime import cli, files


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
    """Write `out`: `crossed.effects`; `head_scores` and `cells` name the runs in the same order.

    `ranks` has the scores of the base run's heads, read at step `rank_at`.
    """
    members = units.written(targets)
    found = crossed.effects(
        crossed.runs(cells, head_scores), members, crossed.final_scores(ranks, rank_at), threshold, confidence
    )
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
