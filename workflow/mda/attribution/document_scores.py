"""From the scores of rows to those of documents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.runtime.errors import UserError


def tables(scores: pa.Table, rows: pa.Table, documents: pa.Table) -> Iterator[pa.Table]:
    """What each document does to a target, a table for each target.

    Args:
        scores: columns target, row, influence, loss; of all rows, with the same rows of every target.
        rows: of `mda.corpus.tokens.lay_out`, each of one document.
        documents: columns document, label, origin, and the user's own.

    Yields:
        A line for each document that has rows. Columns: document, target, label, origin and the user's own;
        influence, the sum over its rows; tokens that are predicted in it; influence_per_token and
        loss_per_token (nats), null of a document with no predicted token; rank, 1 for the highest influence;
        and percentile, the share of the documents, in percent, with a lower influence, ties counted half.

    Raises:
        UserError: when the rows are not of single documents.
    """
    if "tokens" not in rows.column_names:
        raise UserError("scores of documents need rows of single documents; set tokens.pack to false")
    owner = np.array([one[0] for one in rows.column("documents").to_pylist()])
    predicted = np.maximum(rows.column("tokens").to_numpy() - 1, 0)
    for target in pc.unique(scores.column("target")).to_pylist():
        mine = scores.filter(pc.equal(scores.column("target"), target))
        row = mine.column("row").to_numpy()
        names, place = np.unique(owner[row], return_inverse=True)
        sums = {
            name: np.bincount(place, values, len(names))
            for name, values in (
                ("influence", mine.column("influence").to_numpy().astype(np.float64)),
                ("loss", mine.column("loss").to_numpy().astype(np.float64)),
                ("tokens", predicted[row]),
            )
        }
        yield _table(target, names, sums, documents)


def _table(target: str, names: np.ndarray, sums: dict[str, np.ndarray], documents: pa.Table) -> pa.Table:
    influence, tokens = sums["influence"], sums["tokens"].astype(np.int64)
    places = np.searchsorted(documents.column("document").to_numpy(), names)
    of_user = [name for name in documents.column_names if name not in ("document", "text", "split")]
    columns = {
        "document": names,
        "target": pa.array([target] * len(names), pa.string()),
        **{name: documents.column(name).take(places) for name in of_user},
        "influence": influence,
        "tokens": tokens,
        "influence_per_token": _per_token(influence, tokens),
        "loss_per_token": _per_token(sums["loss"], tokens),
        **_ranks(influence),
    }
    return pa.table(columns).take(np.argsort(columns["rank"], kind="stable"))


def _per_token(values: np.ndarray, tokens: np.ndarray) -> pa.Array:
    return pa.array(values / np.maximum(tokens, 1), mask=tokens == 0)


def _ranks(influence: np.ndarray) -> dict[str, np.ndarray]:
    """Rank from the highest, ties by place; and percentile from the lowest."""
    order = np.argsort(-influence, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    ascending = np.sort(influence)
    below = np.searchsorted(ascending, influence, side="left")
    upto = np.searchsorted(ascending, influence, side="right")
    return {"rank": rank, "percentile": 100 * (below + upto) / 2 / len(influence)}
