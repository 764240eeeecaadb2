"""Where in the training stream is the influence, and where does the unit form?"""

from pathlib import Path

import pandas as pd

from mda.evidence import effect_table
from mda.evidence.studies import agreement
from mda.models import units
from mda.planning.cell import BASE, Cell
from mda.runtime import cli, files

BINS = 24


def table(
    scores: Path,
    targets: Path,
    metrics: dict[str, str],
    steps: Path,
    head_scores: Path,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `agreement.stream` of every target; `steps`, `head_scores` are the base run's."""
    places = units.read_targets(targets)
    curves = effect_table.curves(
        Cell(BASE, "none", 0.0, 0),
        files.read_table(steps).to_pandas(),
        files.read_table(head_scores).to_pandas(),
        {name: (places[name], metrics[name]) for name in places},
    )
    lines = []
    for target, mine in agreement.read(scores).items():
        curve = curves.loc[curves["target"] == target, ["step", "score"]]
        lines += [{"target": target, **line} for line in agreement.stream(mine, curve, BINS, confidence)]
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
