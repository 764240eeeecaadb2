"""The token store: rows of context + 1 tokens, and the way back to documents.

A store is two files: `<name>.npy`, an array of shape (rows, context + 1) read by memory map,
and `<name>.rows.parquet`, which says for every row what it is made of.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mda.corpus import encoding
from mda.runtime import files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# The share of tokens that may be unknown. To a model they are all the same word, so that they count as
# repetition and can be copied; a vocabulary that fits leaves well below one in a hundred.
MOST_UNKNOWN = 0.05


def load_tokenizer(path: Path):
    """Load a tokenizer that `mda.corpus.tokenizer.make` made."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise UserError(f"{path}: is no tokenizer ({error}); delete it and run again") from None


def separator(tokenizer) -> int:
    """Id of the token that ends a document."""
    return encoding.ends(tokenizer).end


def pack(tokenizer, documents: pa.Table, context: int, what: str = "the text") -> tuple[np.ndarray, pa.Table]:
    """Join documents, each between its begin and end tokens, and cut them into rows.

    Args:
        documents: columns `document`, `text`, `label`; read in order.
        context: rows hold context + 1 tokens: inputs `[:-1]`, labels `[1:]`.
        what: the documents' name in the log and in errors.

    Returns:
        Tokens of shape (rows, context + 1), uint16 or, for ids above 65,534, uint32;
        and a table with a line for each row: `row`, `label` (that of most of its tokens), `purity`
        (their share), `documents`, `offsets` (where in the row each document begins) and
        `first_token` (which token of its first document the row begins with). The tokens
        that do not fill a last row are left out; the table's metadata counts them under `text`, as
        JSON, with those of all and the unknown ones.

    Raises:
        UserError: when the documents do not fill one row, or too much of them is unknown.
    """
    width, encoder = context + 1, encoding.Encoder(tokenizer)
    dtype = _type(tokenizer)
    texts = documents.column("text").to_pylist()
    parts = [ids.astype(dtype) for ids in encoder.encode(texts)]
    starts = np.cumsum([0] + [len(part) for part in parts])
    rows = int(starts[-1]) // width
    if not texts:
        # Nothing is held out.
        return np.empty((0, width), dtype), _rows(0, width, starts, np.empty(0, np.int64), [])
    if rows == 0:
        raise UserError(
            f"corpus: {len(texts)} documents give {int(starts[-1])} tokens, which do not fill one row "
            f"of {width}; add documents or lower tokens.context"
        )
    stream = np.concatenate(parts)
    counts = _counts(stream, encoder, width)
    counts["documents"] = len(texts)
    _report(counts, encoder, what)
    stream = stream[: rows * width].reshape(rows, width)
    identities = documents.column("document").to_numpy()
    labels = documents.column("label").to_pylist()
    table = _rows(rows, width, starts, identities, labels)
    return stream, table.replace_schema_metadata({"text": json.dumps(counts)})


def lay_out(
    tokenizer, documents: pa.Table, context: int, what: str = "the text"
) -> tuple[np.ndarray, pa.Table]:
    """Give every document rows of its own, in place of `pack`.

    A document of more than context + 1 tokens has several rows. The last token of a row is the first of the
    next, so that every token but a document's first is predicted once.

    Returns:
        As `pack`, rows filled up with `padding`, and one more column `tokens`: how many stand before it.
    """
    width, encoder = context + 1, encoding.Encoder(tokenizer)
    dtype = _type(tokenizer)
    identities, labels = documents.column("document").to_pylist(), documents.column("label").to_pylist()
    parts: list[np.ndarray] = []
    columns: dict[str, list] = {
        "row": [], "label": [], "purity": [], "documents": [], "offsets": [], "first_token": [], "tokens": [],
    }  # fmt: skip
    unknown = total = 0
    for identity, label, ids in zip(
        identities, labels, encoder.encode(documents.column("text").to_pylist()), strict=True
    ):
        total += len(ids)
        unknown += int(np.count_nonzero(ids == encoder.unknown)) if _tells_unknown(encoder) else 0
        for first in range(0, max(len(ids) - 1, 1), context):
            part = np.full(width, np.iinfo(dtype).max, dtype)
            here = ids[first : first + width]
            part[: len(here)] = here
            line = (len(parts), label, 1.0, [identity], [0], first, len(here))
            for column, found in zip(columns.values(), line, strict=True):
                column.append(found)
            parts.append(part)
    counts = {
        "tokens": total, "unknown": unknown, "left_out": 0, "with_special_words": encoder.spelled,
        "documents": len(identities),
    }  # fmt: skip
    if identities:
        _report(counts, encoder, what)
    array = np.stack(parts) if parts else np.empty((0, width), dtype)
    return array, pa.table(columns).replace_schema_metadata({"text": json.dumps(counts)})


def _type(tokenizer) -> type[np.uint16] | type[np.uint32]:
    # Its largest number is no token: it fills rows up.
    return np.uint16 if encoding.size(tokenizer) < 2**16 else np.uint32


def padding(stored: np.ndarray) -> np.ndarray:
    """Where rows of a store are filled up, of the same shape."""
    return stored == np.iinfo(stored.dtype).max


def _tells_unknown(encoder: encoding.Encoder) -> bool:
    # One that is the end token too never comes out of a text.
    return encoder.unknown is not None and encoder.unknown not in encoder.ends


def _counts(stream: np.ndarray, encoder: encoding.Encoder, width: int) -> dict[str, int]:
    told = _tells_unknown(encoder)
    return {
        "tokens": len(stream),
        "unknown": int(np.count_nonzero(stream == encoder.unknown)) if told else 0,
        "left_out": len(stream) % width,
        "with_special_words": encoder.spelled,
    }


def _report(counts: dict[str, int], encoder: encoding.Encoder, what: str) -> None:
    share = counts["unknown"] / counts["tokens"]
    log.info(
        "%s: %d documents, %d tokens, of which %d are unknown (%.2f %%); the last %d fill no row and are "
        "left out",
        *(what, counts["documents"], counts["tokens"], counts["unknown"], 100 * share, counts["left_out"]),
    )
    if encoder.spelled:
        log.info("%s: %d documents have words of a special token, kept as text", what, encoder.spelled)
    if share > MOST_UNKNOWN:
        raise UserError(
            f"tokens.tokenizer: {100 * share:.0f} % of {what} is not in the vocabulary of "
            f"{encoding.size(encoder.tokenizer)} tokens and would be one unknown token, but at most "
            f"{100 * MOST_UNKNOWN:.0f} % may be; set tokens.tokenizer.kind to bpe (and vocabulary to 1024 or "
            "more), raise vocabulary, or name a tokenizer that knows the text"
        )


def _rows(rows: int, width: int, starts: np.ndarray, identities: np.ndarray, labels: list[str]) -> pa.Table:
    columns: dict[str, list] = {
        "row": list(range(rows)),
        "label": [],
        "purity": [],
        "documents": [],
        "offsets": [],
        "first_token": [],
    }
    for row in range(rows):
        begin, stop = row * width, (row + 1) * width
        first = int(np.searchsorted(starts, begin, side="right")) - 1
        last = int(np.searchsorted(starts, stop, side="left"))
        edges = np.clip(starts[first : last + 1], begin, stop)
        tally: dict[str, int] = {}
        for index, size in zip(range(first, last), np.diff(edges), strict=True):
            tally[labels[index]] = tally.get(labels[index], 0) + int(size)
        label = max(tally, key=lambda name: tally[name])
        columns["label"].append(label)
        columns["purity"].append(tally[label] / width)
        columns["documents"].append([int(identity) for identity in identities[first:last]])
        columns["offsets"].append([int(edge) - begin for edge in edges[:-1]])
        columns["first_token"].append(begin - int(starts[first]))
    return pa.table(columns)


# In place of a token, where a row is filled up: a row of a document alone, which is shorter than others.
PADDED = -100


class TokenStore:
    """Rows of tokens, read by memory map.

    Attributes:
        tokens: shape (rows, context + 1).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens = files.map_array(path)
        if self.tokens.ndim != 2 or self.tokens.dtype not in (np.uint16, np.uint32):
            raise UserError(f"{path}: is no token store (shape {self.tokens.shape}, {self.tokens.dtype})")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def context(self) -> int:
        """Number of tokens a model reads of a row."""
        return self.tokens.shape[1] - 1

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Rows as int64, shape (len(rows), context + 1); see `PADDED` for what fills them up.

        Raises:
            UserError: when a row is not in the store.
        """
        if len(rows) and int(rows.max()) >= len(self):
            raise UserError(f"{self.path}: has {len(self)} rows, but row {int(rows.max())} was asked for")
        found = self.tokens[rows]
        return np.where(padding(found), PADDED, found.astype(np.int64))

    def parts(self, rows: np.ndarray, size: int = 4096) -> Iterator[np.ndarray]:
        """The same, `size` rows at a time, for what does not fit the memory at once."""
        for start in range(0, len(rows), size):
            yield self.take(rows[start : start + size])
            # Pages that were read count as this process's memory while they are mapped.
            self.tokens = files.map_array(self.path)

    def tokens_of(self, rows: np.ndarray, size: int = 4096) -> Iterator[list[np.ndarray]]:
        """The tokens of each row without what fills it up, `size` rows at a time."""
        for part in self.parts(rows, size):
            yield [row[row != PADDED] for row in part]


def pieces(tokenizer, row: np.ndarray) -> list[str]:
    """The text of every token of a row, with the space before it, which join to its text.

    A character that several tokens make is the text of the last of them; the others have none.
    """
    ids = [int(token) for token in row]
    texts = tokenizer.decode_batch([[token] for token in ids], skip_special_tokens=False)
    if type(tokenizer.model).__name__ == "WordLevel":
        return [f"{text} " for text in texts]
    if "".join(texts) == tokenizer.decode(ids, skip_special_tokens=False):
        return texts
    return _pieces_in_context(tokenizer, ids)


def _pieces_in_context(tokenizer, ids: list[int]) -> list[str]:
    # What a token adds to the text depends on those before it: spaces, characters of several tokens.
    texts, shown, done = [], 0, 0
    for end in range(1, len(ids) + 1):
        before = tokenizer.decode(ids[shown:done], skip_special_tokens=False)
        text = tokenizer.decode(ids[shown:end], skip_special_tokens=False)
        whole = not text.endswith("\N{REPLACEMENT CHARACTER}") or end == len(ids)
        texts.append(text[len(before) :] if whole else "")
        if whole:
            shown, done = done, end
    return texts
