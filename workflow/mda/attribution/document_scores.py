"""From the scores of rows to those of documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mda.runtime import database, parquet, ranking
from mda.runtime.database import Database
from mda.runtime.errors import UserError

# Of the documents, what is not told again; texts are most of the file.
LEFT_OUT = ("document", "text", "split")
# Columns on the way, which no column of a user is called.
SUM, LOSS, TOKENS = "(influence)", "(loss)", "(tokens)"


def tables(data: Database, scores: Path, rows: Path, documents: Path) -> Iterator[pa.Table]:
    """What each document does to each target, in pieces, one target after the other.

    Args:
        data: what sorts them; its folder holds them for a while.
        scores: columns target, row, influence, loss; of all rows, the same of every target.
        rows: of `mda.corpus.tokens.lay_out`, each of one document.
        documents: columns document, label, origin, and the user's own.

    Yields:
        A line for each document that has rows, the highest influence first, ties by number: document,
        target, label, origin and the user's own;
        influence, the sum over its rows; tokens that are predicted in it; influence_per_token and
        loss_per_token (nats), null of a document with no predicted token; rank, 1 for the highest influence;
        and percentile, the share of the documents, in percent, with a lower influence, ties counted half.

    Raises:
        UserError: when the rows are not of single documents.
    """
    if "tokens" not in parquet.columns_of(rows):
        raise UserError("scores of documents need rows of single documents; set tokens.pack to false")
    of_user = [field for field in pq.read_schema(documents) if field.name not in LEFT_OUT]
    for target in parquet.words_of(scores, "target"):
        by_row = data.ask(
            f"select row, influence::double as influence, loss::double as loss from {database.table(scores)} "
            "where target = $1 order by row",
            [target],
        )
        owned = database.looked_up(by_row, database.numbered(rows, ["documents", "tokens"]), "row")
        kept = data.keep("rows", map(_of_document, owned))
        lines = data.ask(f"select * from {database.table(kept)} order by document, row")
        told = parquet.read_batches(documents, ["document", *(field.name for field in of_user)])
        told = database.shielded(told, of_user)
        kept = data.keep("sums", database.looked_up(_sums(lines), told, "document"))
        lines = data.ask(
            f"select * from {database.table(kept)} order by {database.quoted(SUM)} desc, document"
        )
        yield from _of_target(target, parquet.opened(data.keep("ordered", lines)), of_user)


def _of_document(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with the number of their document, and how many of their tokens are predicted."""
    return pa.record_batch(
        {
            "document": pc.list_element(rows.column("documents"), 0),
            "row": rows.column("row"),
            SUM: rows.column("influence"),
            LOSS: rows.column("loss"),
            TOKENS: np.maximum(rows.column("tokens").to_numpy() - 1, 0),
        }
    )


def _sums(lines: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sums of lines that are sorted by document, in their order: document, `SUM`, `LOSS`, `TOKENS`."""
    names = ("document", SUM, LOSS, TOKENS)
    # The last document of a piece may go on in the next.
    open_one = {name: np.empty(0, np.int64) for name in names}
    for batch in lines:
        columns = {name: np.concatenate([open_one[name], batch.column(name).to_numpy()]) for name in names}
        document = columns.pop("document")
        begins = np.flatnonzero(np.append(True, document[1:] != document[:-1]))
        group = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(document)))
        found = {"document": document[begins]} | {
            name: np.bincount(group, column) for name, column in columns.items()
        }
        open_one = {name: column[-1:] for name, column in found.items()}
        yield _whole({name: column[:-1] for name, column in found.items()})
    yield _whole(open_one)


def _whole(columns: dict[str, np.ndarray]) -> pa.RecordBatch:
    return pa.record_batch(columns | {TOKENS: columns[TOKENS].astype(np.int64)})


def _of_target(target: str, ordered: pq.ParquetFile, of_user: list[pa.Field]) -> Iterator[pa.Table]:
    parts = range(ordered.num_row_groups)
    total, begin = ordered.metadata.num_rows, 0

    def influences() -> Iterator[np.ndarray]:
        return (ordered.read_row_group(part, [SUM])[SUM].to_numpy() for part in parts)

    for part, (first, stop) in zip(parts, ranking.places(influences), strict=True):
        read = ordered.read_row_group(part)
        influence, tokens = read[SUM].to_numpy(), read[TOKENS].to_numpy()
        yield pa.table(
            {
                "document": read["document"],
                "target": pa.repeat(target, len(read)),
                **{
                    field.name: database.as_given(read[database.own_name(place)], field.type)
                    for place, field in enumerate(of_user)
                },
                "influence": influence,
                "tokens": tokens,
                "influence_per_token": _per_token(influence, tokens),
                "loss_per_token": _per_token(read[LOSS].to_numpy(), tokens),
                "rank": np.arange(begin + 1, begin + 1 + len(read)),
                "percentile": 100 * ((total - stop) + (total - first)) / 2 / total,
            }
        )
        begin += len(read)


def _per_token(values: np.ndarray, tokens: np.ndarray) -> pa.Array:
    return pa.array(values / np.maximum(tokens, 1), mask=tokens == 0)
