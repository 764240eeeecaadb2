"""Judge every published finding by the tables."""

from pathlib import Path

from mda.evidence import csv_tables, score_notes
from mda.evidence.finding import Settings
from mda.runtime import cli
from mda.studies import findings


def judge(
    tables: list[Path],
    scores: Path,
    targets: list[str],
    fraction: float,
    confidence: float,
    start: int,
    scope: str,
    shuffled: bool,
    out: Path,
) -> None:
    """Write `out`, the columns of `mda.evidence.finding.judge`; the names of `tables` say which is which.

    `scores` is read for what it says of itself.
    """
    read = {path.stem: csv_tables.read(path) for path in tables}
    settings = Settings(fraction, confidence, start, scope, shuffled)
    notes = {target: score_notes.notes(scores, target) for target in targets}
    csv_tables.write(out, findings.judge(read, targets, settings, notes))


if __name__ == "__main__":
    cli.run(judge)
