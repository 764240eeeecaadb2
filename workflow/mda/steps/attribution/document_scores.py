"""Sum up the scores of rows by document."""

from __future__ import annotations

from pathlib import Path

from mda.attribution import document_scores
from mda.runtime import cli, database, parquet


def collect(scores: Path, train_rows: Path, documents: Path, out: Path) -> None:
    """Write `out`, a line for each document and target, the highest influence first.

    The columns are those of `mda.attribution.document_scores.tables`.
    """
    with database.beside(out) as data:
        parquet.write_tables(out, document_scores.tables(data, scores, train_rows, documents))


if __name__ == "__main__":
    cli.run(collect)
