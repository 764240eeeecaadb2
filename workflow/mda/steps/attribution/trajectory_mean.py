"""The mean of the scores over orders of the window, and its reliability."""

from pathlib import Path

import pandas as pd

from mda.attribution import order_means
from mda.config import sections
from mda.evidence import csv_tables
from mda.runtime import cli, parquet


def join(orders: list[Path], window: sections.Window, out: Path, out_reliability: Path) -> None:
    """Write `out`, the mean of every row of the window, and `out_reliability`, a line for each outcome.

    Scores are standardized within each update. `orders` are tables of the step `trajectory`, two or more.
    """
    tables = []
    for path in orders:
        table = parquet.read_table(path, ["outcome", "step", "update", "row", "score"]).to_pandas()
        # Before the window all orders read the same.
        tables.append(table[(table["step"] >= window.start) & (table["step"] < window.stop)])
    scores = order_means.over_orders(tables)
    parquet.write_table(out, scores.mean(axis=1).rename("score").reset_index())
    lines = []
    for outcome in tables[0]["outcome"].unique():
        mine = scores.loc[outcome]
        found = order_means.reliability(mine.to_numpy())
        lines.append(
            {
                "outcome": outcome,
                "orders": len(orders),
                "samples": len(mine),
                "between_halves": found.between_halves,
                "reliability_of_one": found.one,
                "reliability": found.mean,
                "orders_for_half": found.orders_for(0.5),
                "orders_for_four_fifths": found.orders_for(0.8),
            }
        )
    csv_tables.write(out_reliability, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(join)
