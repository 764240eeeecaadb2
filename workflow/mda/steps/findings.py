"""Judge every published finding by the tables, and write the report's front page."""

from pathlib import Path

import pandas as pd

from mda import cli, files, findings, findings_page


def judge(
    tables: list[Path],
    targets: list[str],
    fraction: float,
    confidence: float,
    start: int,
    experiment: str,
    out: Path,
    out_page: Path,
) -> None:
    """Write `out`, the columns of `mda.findings.judge`, and `out_page`, the same for readers.

    `tables` are those of the folder evidence; their names say which is which.
    """
    read = {path.stem: pd.read_csv(path, keep_default_na=True) for path in tables}
    found = findings.judge(read, targets, findings.Settings(fraction, confidence, start))
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))
    files.write_text(out_page, findings_page.text(found, read, confidence, experiment))


if __name__ == "__main__":
    cli.run(judge)
