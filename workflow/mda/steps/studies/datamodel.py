"""Are runs on random subsets predicted by influence, and by the controls?"""

from pathlib import Path

import pandas as pd

from mda.config import sections
from mda.evidence import csv_tables, effect_table, score_table
from mda.planning.controls import CONTROLS
from mda.runtime import cli, parquet
from mda.studies.datamodel import table
from mda.training import schedule as schedules


def make(
    curves: Path,
    subsets: list[Path],
    schedule: Path,
    window: sections.Window,
    scores: list[Path],
    methods: list[tuple[str, str | None]],
    threshold: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.scores`, a line for each target, method and outcome.

    `curves` are those of the runs on subsets, `subsets` the selections that they left out, by number;
    `scores` has a table for each of `methods`: its name, and the target it scores for (null: every target).
    """
    found = effect_table.outcomes(parquet.read_table(curves).to_pandas(), threshold)
    left_out = [parquet.read_table(path, columns=["row"]).column("row").to_numpy() for path in subsets]
    candidates = schedules.Schedule.read(schedule).between(window.start, window.stop).row
    lines = []
    for target, mine in found.groupby("target", sort=False):
        number = mine["selection"].str.rpartition("-")[2].astype(int)
        runs = mine.assign(number=number).pivot(index="number", columns="seed", values=[*table.OUTCOMES])
        outcomes = {name: runs[name].to_numpy() for name in table.OUTCOMES}
        values = {}
        for (method, scored), path in zip(methods, scores, strict=True):
            if scored in (None, target):
                values[method] = _scores(path, str(target), method).loc[candidates].to_numpy()
        lines += [
            {"target": target, **line}
            for line in table.scores(outcomes, left_out, candidates, values, confidence)
        ]
    csv_tables.write(out, pd.DataFrame(lines))


def _scores(path: Path, target: str, method: str) -> pd.Series:
    """Score by row."""
    if method in CONTROLS:
        return parquet.read_table(path, columns=["row", "score"]).to_pandas().set_index("row")["score"]
    column = "loss" if method == "loss" else "influence"
    return score_table.read_target(path, target, (column,)).set_index("row")[column]


if __name__ == "__main__":
    cli.run(make)
