"""How often do runs that were treated at random seem to differ?"""

from pathlib import Path

from mda.evidence import csv_tables, effect_table
from mda.runtime import cli, parquet
from mda.studies.placebo import table


def make(curves: Path, pairs: int, threshold: float, seed: int, confidence: float, out: Path) -> None:
    """Write `out`: `table.rates` of the runs on subsets, whose curves are `curves`."""
    outcomes = effect_table.outcomes(parquet.read_table(curves).to_pandas(), threshold)
    csv_tables.write(out, table.rates(outcomes, pairs, seed, confidence))


if __name__ == "__main__":
    cli.run(make)
