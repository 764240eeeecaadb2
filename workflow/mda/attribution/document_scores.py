"""From the scores of rows to those of documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mda.runtime import database, files
from mda.runtime.database import Database
from mda.runtime.errors import UserError

# Of the documents, what is not told again; texts are most of the file.
LEFT_OUT = ("document", "text", "split")


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
    if "tokens" not in files.columns_of(rows):
        raise UserError("scores of documents need rows of single documents; set tokens.pack to false")
    sums, ordered = data.folder / "sums.parquet", data.folder / "ordered.parquet"
    of_user = [field for field in pq.read_schema(documents) if field.name not in LEFT_OUT]
    told = "".join(f", documents.{database.quoted(field.name)}" for field in of_user)
    for target in files.words_of(scores, "target"):
        lines = data.ask(
            "select documents[1] as document, influence::double, loss::double, greatest(tokens - 1, 0) "
            f"from {database.table(scores)} scores join {database.table(rows)} rows "
            "on scores.row = rows.file_row_number where target = $1 order by document, scores.row",
            [target],
        )
        files.write_tables(sums, _sums(lines))
        lines = data.ask(
            f"select document, influence, loss, tokens{told} from {database.table(sums)} sums "
            f"join {database.table(documents)} documents using (document) order by influence desc, document"
        )
        files.write_tables(ordered, (pa.Table.from_batches([batch]) for batch in lines))
        yield from _of_target(target, pq.ParquetFile(ordered), of_user)


def _sums(lines: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Sums of lines that are sorted by document, in their order: document, influence, loss, tokens."""
    names = ("document", "influence", "loss", "tokens")
    # The last document of a piece may go on in the next.
    open_one = {name: np.empty(0, np.int64) for name in names}
    for batch in lines:
        columns = {
            name: np.concatenate([open_one[name], column.to_numpy()])
            for name, column in zip(names, batch.columns, strict=True)
        }
        document = columns.pop("document")
        begins = np.flatnonzero(np.append(True, document[1:] != document[:-1]))
        group = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(document)))
        found = {"document": document[begins]} | {
            name: np.bincount(group, column) for name, column in columns.items()
        }
        open_one = {name: column[-1:] for name, column in found.items()}
        yield _whole({name: column[:-1] for name, column in found.items()})
    yield _whole(open_one)


def _whole(columns: dict[str, np.ndarray]) -> pa.Table:
    return pa.table(columns | {"tokens": columns["tokens"].astype(np.int64)})


def _of_target(target: str, ordered: pq.ParquetFile, of_user: list[pa.Field]) -> Iterator[pa.Table]:
    parts = range(ordered.num_row_groups)
    total, begin = ordered.metadata.num_rows, 0
    ends = ends_of_ties(ordered.read_row_group(part, ["influence"])["influence"].to_numpy() for part in parts)
    ties_begin, before = 0, np.nan
    for part, end in zip(parts, ends, strict=True):
        read = ordered.read_row_group(part)
        influence, tokens = read["influence"].to_numpy(), read["tokens"].to_numpy()
        first = begin + np.searchsorted(-influence, -influence, side="left")
        stop = begin + np.searchsorted(-influence, -influence, side="right")
        # Ties that go on from the part before, or in the next.
        first[influence == before] = ties_begin
        stop[influence == influence[-1]] = end
        ties_begin, before = int(first[-1]), influence[-1]
        yield pa.table(
            {
                "document": read["document"],
                "target": pa.repeat(target, len(read)),
                **{field.name: database.as_given(read[field.name], field.type) for field in of_user},
                "influence": influence,
                "tokens": tokens,
                "influence_per_token": _per_token(influence, tokens),
                "loss_per_token": _per_token(read["loss"].to_numpy(), tokens),
                "rank": np.arange(begin + 1, begin + 1 + len(read)),
                "percentile": 100 * ((total - stop) + (total - first)) / 2 / total,
            }
        )
        begin += len(read)


def ends_of_ties(parts: Iterable[np.ndarray]) -> list[int]:
    """For each part of numbers that fall: the place, in all, after the last that equals the part's last."""
    told = [(part[0], part[-1], len(part), int((part == part[0]).sum())) for part in parts]
    found: list[int] = []
    place = sum(length for _, _, length, _ in told)
    following: tuple[float, float, int] = (np.nan, np.nan, 0)
    for first, last, length, ties in reversed(told):
        if last == following[0]:
            # The next part may be of equal numbers alone.
            found.append(found[-1] if following[0] == following[1] else place + following[2])
        else:
            found.append(place)
        following = first, last, ties
        place -= length
    return found[::-1]


def _per_token(values: np.ndarray, tokens: np.ndarray) -> pa.Array:
    return pa.array(values / np.maximum(tokens, 1), mask=tokens == 0)
