"""How much of the influence do the top samples have?"""

from pathlib import Path

from mda.evidence import csv_tables, score_parts
from mda.runtime import cli
from mda.studies.tail import table


def make(scores: Path, fraction: float, seed: int, confidence: float, out: Path) -> None:
    """Write `out`: `table.tails` of the scores."""
    parts = score_parts.of_targets(scores, ["influence", "label"])
    csv_tables.write(out, table.tails(parts, fraction, seed, confidence))


if __name__ == "__main__":
    cli.run(make)
