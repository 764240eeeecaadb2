"""Do new samples with the top ones' structure do more than as many random or repeated ones?"""

from pathlib import Path

from mda.evidence import csv_tables
from mda.runtime import cli
from mda.studies.augmentation import table


def make(
    effects: list[Path],
    outcomes: list[Path],
    experiments: dict[str, str],
    fraction: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.insertions` of the `experiments` (role -> name), whose tables are the others."""
    read = {
        role: (name, csv_tables.read(one), csv_tables.read(other))
        for (role, name), one, other in zip(experiments.items(), effects, outcomes, strict=True)
    }
    csv_tables.write(out, table.insertions(read, fraction, confidence))


if __name__ == "__main__":
    cli.run(make)
