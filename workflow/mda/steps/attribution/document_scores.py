"""Sum up the scores of rows by document."""

from __future__ import annotations

from pathlib import Path

from mda.attribution import document_scores
from mda.runtime import cli, files


def collect(scores: Path, train_rows: Path, documents: Path, out: Path) -> None:
    """Write `out`, a line for each document and target, the highest influence first.

    The columns are those of `mda.attribution.document_scores.tables`.
    """
    texts = files.read_table(documents)
    found = document_scores.tables(
        files.read_table(scores, columns=["target", "row", "influence", "loss"]),
        files.read_table(train_rows),
        texts.drop_columns(["text"]),
    )
    files.write_tables(out, found)


if __name__ == "__main__":
    cli.run(collect)
