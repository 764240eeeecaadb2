"""Are runs on random subsets predicted by influence, and by the controls?"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from mda.config import sections
from mda.evidence import csv_tables, effect_table
from mda.interventions import candidates
from mda.runtime import cli, database, parquet
from mda.runtime.errors import UserError
from mda.studies.datamodel import table


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
    lines = []
    with database.beside(out) as data:
        for target, mine in found.groupby("target", sort=False):
            number = mine["selection"].str.rpartition("-")[2].astype(int)
            runs = mine.assign(number=number).pivot(index="number", columns="seed", values=[*table.OUTCOMES])
            outcomes = {name: runs[name].to_numpy() for name in table.OUTCOMES}
            wanted = {
                method: candidates.scores(method, str(target), path)
                for (method, scored), path in zip(methods, scores, strict=True)
                if scored in (None, target)
            }
            kept = data.keep(
                "by-row",
                candidates.by_row(data, candidates.read(schedule, window), list(wanted.values())),
            )
            sums = np.array([_sums(data, kept, path, len(wanted)) for path in subsets])
            predicted = dict(zip(wanted, sums.T, strict=True))
            lines += [{"target": target, **line} for line in table.scores(outcomes, predicted, confidence)]
    csv_tables.write(out, pd.DataFrame(lines))


def _sums(data: database.Database, scored: Path, left_out: Path, methods: int) -> list[float]:
    """By each method the sum of the scores of the samples that a run did see."""
    without = data.ask(f"select row, true as out from {database.table(left_out)} order by row")
    names = [f"value_{place}" for place in range(methods)]
    parts = []
    for batch in database.looked_up(parquet.read_batches(scored, ["row", *names]), without, "row"):
        seen = batch.filter(pc.is_null(batch.column("out")))
        if any(seen.column(name).null_count for name in names):
            raise UserError("some candidates have no score; delete the folder scores and run again")
        parts.append([float(seen.column(name).to_numpy().sum(dtype=np.float64)) for name in names])
    return [math.fsum(column) for column in zip(*parts, strict=True)]


if __name__ == "__main__":
    cli.run(make)
