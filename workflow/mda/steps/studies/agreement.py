"""Does another curvature, damping, sample of the fit or checkpoint give the same influence?"""

from pathlib import Path

import pandas as pd

from mda.evidence import csv_tables, score_table
from mda.runtime import cli
from mda.studies.agreement import table


def make(
    configured: Path, variants: list[Path], names: list[str], fraction: float, confidence: float, out: Path
) -> None:
    """Write `out`: `table.variants` of the tables of scores `variants`, called `names`."""
    others = {name: score_table.read(path) for name, path in zip(names, variants, strict=True)}
    lines = table.variants(score_table.read(configured), others, fraction, confidence)
    csv_tables.write(out, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(make)
