"""Sum up the scores of rows by document."""

from __future__ import annotations

from pathlib import Path

from mda.attribution import document_scores
from mda.runtime import cli, files


def collect(scores: Path, train_rows: Path, documents: Path, out: Path) -> None:
    """Write `out`, a line for each document and target, the highest influence first.

    The columns are those of `mda.attribution.document_scores.tables`.
    """
    # Texts are most of the file, and are not needed.
    kept = [name for name in files.columns_of(documents) if name != "text"]
    found = document_scores.tables(
        files.words_of(scores, "target"),
        lambda target: files.read_where(scores, "target", target, ["row", "influence", "loss"]),
        files.read_table(train_rows),
        files.read_table(documents, columns=kept),
    )
    files.write_tables(out, found)


if __name__ == "__main__":
    cli.run(collect)
