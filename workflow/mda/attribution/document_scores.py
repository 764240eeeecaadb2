"""From the scores of rows to those of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.runtime.errors import UserError


def tables(
    targets: Iterable[str], scores: Callable[[str], pa.Table], rows: pa.Table, documents: pa.Table
) -> Iterator[pa.Table]:
    """What each document does to a target, a table for each target.

    Args:
        scores: a target's columns row, influence, loss; of all rows, the same of every target.
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
    owner = pc.list_element(rows.column("documents"), 0).to_numpy()
    predicted = np.maximum(rows.column("tokens").to_numpy() - 1, 0)
    for target in targets:
        mine = scores(target)
        row = mine.column("row").to_numpy()
        owners = owner[row]
        names = np.flatnonzero(np.bincount(owners))
        sums = {
            name: np.bincount(owners, values)[names]
            for name, values in (
                ("influence", mine.column("influence").to_numpy().astype(np.float64)),
                ("loss", mine.column("loss").to_numpy().astype(np.float64)),
                ("tokens", predicted[row]),
            )
        }
        yield _table(target, names, sums, documents)


def _table(target: str, names: np.ndarray, sums: dict[str, np.ndarray], documents: pa.Table) -> pa.Table:
    # The highest influence first, ties by place. Every column is put in order once, for they may be long.
    order = np.argsort(-sums["influence"], kind="stable")
    influence, tokens = sums["influence"][order], sums["tokens"][order].astype(np.int64)
    places = pa.array(np.searchsorted(documents.column("document").to_numpy(), names[order]))
    of_user = [name for name in documents.column_names if name not in ("document", "text", "split")]
    columns = {
        "document": names[order],
        "target": pa.repeat(target, len(names)),
        **{name: documents.column(name).take(places) for name in of_user},
        "influence": influence,
        "tokens": tokens,
        "influence_per_token": _per_token(influence, tokens),
        "loss_per_token": _per_token(sums["loss"][order], tokens),
        "rank": np.arange(1, len(names) + 1),
        "percentile": _percentile(influence),
    }
    return pa.table(columns)


def _per_token(values: np.ndarray, tokens: np.ndarray) -> pa.Array:
    return pa.array(values / np.maximum(tokens, 1), mask=tokens == 0)


def _percentile(influence: np.ndarray) -> np.ndarray:
    """Share of the numbers, which fall, that are lower, in percent; equal ones count half."""
    below = len(influence) - np.searchsorted(-influence, -influence, side="right")
    upto = len(influence) - np.searchsorted(-influence, -influence, side="left")
    return 100 * (below + upto) / 2 / len(influence)
