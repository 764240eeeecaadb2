"""Judge every published finding by the tables."""

from pathlib import Path

from mda.evidence import findings, measured, score_notes
from mda.runtime import cli, files


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
    """Write `out`, the columns of `mda.evidence.findings.judge`; the names of `tables` say which is which.

    `scores` is read for what it says of itself.
    """
    read = {path.stem: files.read_csv(path) for path in tables}
    settings = measured.Settings(fraction, confidence, start, scope, shuffled)
    notes = {target: score_notes.notes(scores, target) for target in targets}
    found = findings.judge(read, targets, settings, notes)
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(judge)
