"""Does another curvature, damping, sample of the fit or checkpoint give the same influence?"""

from pathlib import Path

import pandas as pd

from mda.evidence import csv_tables, ranked
from mda.runtime import cli, database, parquet
from mda.studies.agreement import table


def make(
    configured: Path, variants: list[Path], names: list[str], fraction: float, confidence: float, out: Path
) -> None:
    """Write `out`: `table.variants` of the tables of scores `variants`, called `names`."""
    targets = parquet.words_of(configured, "target")
    with database.beside(out) as data:

        def of(kind: str, path: Path) -> dict[str, ranked.Ranked]:
            return {
                target: ranked.of_table(data, f"{kind}-{place}", path, target, fraction)
                for place, target in enumerate(targets)
            }

        # One variant is on the disk at a time.
        others = ((name, of("variant", path)) for name, path in zip(names, variants, strict=True))
        lines = table.variants(of("configured", configured), others, confidence)
        csv_tables.write(out, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(make)
