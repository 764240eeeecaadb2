"""Tokenizers, and the token store: rows of context + 1 tokens, and the way back to documents.

A store is two files: `<name>.npy`, an array of shape (rows, context + 1) read by memory map,
and `<name>.rows.parquet`, which says for every row what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mda import files, pins, sources
from mda.errors import UserError
from mda.pins import Pin

SEPARATOR = "<|endoftext|>"
UNKNOWN = "<|unknown|>"
# How other tokenizers name the token that ends a document.
SEPARATORS = (SEPARATOR, "</s>", "<|end_of_text|>", "<eos>")


def train_tokenizer(settings: sources.Tokenizer, texts: Iterator[str], pin: Pin | None = None):
    """Train a word-level or byte-level BPE tokenizer, or load one.

    Args:
        texts: what it is trained on.
        pin: the revision to take a tokenizer of the hub from.

    Returns:
        A `tokenizers.Tokenizer` with a token that separates documents.

    Raises:
        UserError: when the tokenizer cannot be loaded or has no separator.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    if settings.kind == "word":
        tokenizer = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        words = trainers.WordLevelTrainer(
            vocab_size=settings.vocabulary, special_tokens=[SEPARATOR, UNKNOWN], show_progress=False
        )
        tokenizer.train_from_iterator(texts, words)
    elif settings.kind == "bpe":
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        pairs = trainers.BpeTrainer(
            vocab_size=settings.vocabulary,
            special_tokens=[SEPARATOR],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, pairs)
    else:
        tokenizer = _load_foreign(settings, pin)
    separator(tokenizer)
    return tokenizer


def _load_foreign(settings: sources.Tokenizer, pin: Pin | None):
    import tokenizers

    assert settings.path is not None
    path = settings.path
    if settings.kind == "huggingface":
        from mda import hub

        if pin is None:
            raise UserError(f"{path} at {settings.revision} is not pinned; run {pins.COMMAND}")
        path = str(hub.file(pin, "tokenizer.json"))
    try:
        return tokenizers.Tokenizer.from_file(path)
    except Exception as error:  # tokenizers raises bare Exception
        raise UserError(
            f"tokens.tokenizer.path: {settings.path} cannot be loaded as a tokenizer ({error})"
        ) from None


def load_tokenizer(path: Path):
    """Load a tokenizer that `train_tokenizer` made."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise UserError(f"{path}: is no tokenizer ({error}); delete it and run again") from None


def separator(tokenizer) -> int:
    """Id of the token that ends a document."""
    for name in SEPARATORS:
        token = tokenizer.token_to_id(name)
        if token is not None:
            return token
    raise UserError(f"tokens.tokenizer: has none of the tokens {', '.join(SEPARATORS)} that end a document")


def pack(tokenizer, documents: pa.Table, context: int) -> tuple[np.ndarray, pa.Table]:
    """Join documents, each ended by the separator, and cut them into rows.

    Args:
        documents: columns `document`, `text`, `label`; read in order.
        context: rows hold context + 1 tokens: inputs `[:-1]`, labels `[1:]`.

    Returns:
        Tokens of shape (rows, context + 1), uint16 or, for a vocabulary above 65,536, uint32;
        and a table with a line a row: `row`, `label` (that of most of its tokens), `purity`
        (their share), `documents`, `offsets` (where in the row each document begins) and
        `first_token` (which token of its first document the row begins with). The tokens
        that do not fill a last row are left out.

    Raises:
        UserError: when the documents do not fill one row.
    """
    width, end = context + 1, separator(tokenizer)
    dtype = np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.uint32
    texts = documents.column("text").to_pylist()
    parts = [np.array([*encoded.ids, end], dtype=dtype) for encoded in _encode(tokenizer, texts)]
    starts = np.cumsum([0] + [len(part) for part in parts])
    rows = int(starts[-1]) // width
    if rows == 0:
        raise UserError(
            f"corpus: {len(texts)} documents give {int(starts[-1])} tokens, which do not fill one row "
            f"of {width}; add documents or lower tokens.context"
        )
    stream = np.concatenate(parts)[: rows * width].reshape(rows, width)
    identities = documents.column("document").to_numpy()
    labels = documents.column("label").to_pylist()
    return stream, _rows(rows, width, starts, identities, labels)


def _encode(tokenizer, texts: list[str]) -> Iterator:
    for start in range(0, len(texts), 1024):
        yield from tokenizer.encode_batch(texts[start : start + 1024], add_special_tokens=False)


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
        """Rows as int64, shape (len(rows), context + 1).

        Raises:
            UserError: when a row is not in the store.
        """
        if len(rows) and int(rows.max()) >= len(self):
            raise UserError(f"{self.path}: has {len(self)} rows, but row {int(rows.max())} was asked for")
        return self.tokens[rows].astype(np.int64)

    def parts(self, rows: np.ndarray, size: int = 4096) -> Iterator[np.ndarray]:
        """The same, `size` rows at a time, for what does not fit the memory at once."""
        for start in range(0, len(rows), size):
            yield self.take(rows[start : start + size])


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
