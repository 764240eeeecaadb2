"""Judge every published finding by the tables."""

from pathlib import Path

import pandas as pd

from mda import cli, files, findings, measured


def judge(
    tables: list[Path],
    targets: list[str],
    fraction: float,
    confidence: float,
    start: int,
    scope: str,
    shuffled: bool,
    out: Path,
) -> None:
    """Write `out`, the columns of `mda.findings.judge`; the names of `tables` say which is which."""
    read = {path.stem: pd.read_csv(path, keep_default_na=True) for path in tables}
    found = findings.judge(read, targets, measured.Settings(fraction, confidence, start, scope, shuffled))
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(judge)
