"""The stores and tables that the step makes of published batches."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.corpus.published.streams import (
    BATCH,
    BATCH_BYTES,
    PATTERN,
    REPOSITORY,
    ROW_BYTES,
    SHARD_BYTES,
    WIDTH,
    Reading,
    cut,
    pin,
    received,
    settings,
)

from mda.corpus import encoding, tokens
from mda.corpus.published.run_batches import rows_table
from mda.runtime import parquet, saves


def test_the_stores_are_the_published_batches(stream, reading, caplog):
    caplog.set_level("INFO")
    reading()
    train, held_out = np.load(reading.outputs[0]), np.load(reading.outputs[2])
    assert train.dtype == held_out.dtype == np.uint16
    assert np.array_equal(train, stream[: reading.ROWS])
    assert np.array_equal(held_out, stream[9 * BATCH : 11 * BATCH])
    assert tokens.TokenStore(reading.outputs[0]).context == WIDTH - 1
    content = stream.tobytes()
    for number, line in zip([*range(6), 9, 10], reading.ledger, strict=True):
        rows = min(BATCH, reading.ROWS - number * BATCH) if number < 9 else BATCH
        begin, stop = number * BATCH_BYTES, number * BATCH_BYTES + rows * ROW_BYTES
        batch = np.frombuffer(content[begin:stop], "<u2")
        assert line == {
            "batch": number,
            "split": "train" if number < 9 else "held_out",
            "rows": rows,
            "files": [
                PATTERN.format(number=n) for n in range(begin // SHARD_BYTES, (stop - 1) // SHARD_BYTES + 1)
            ],
            "first_byte": begin % SHARD_BYTES,
            "sha256": hashlib.sha256(content[begin:stop]).hexdigest(),
            "minimum": batch.min(),
            "maximum": batch.max(),
            "separators": (batch == 0).sum(),
        }
    saves.accept(reading.resume)
    assert not reading.resume.exists()
    assert "8 batches, 30 rows:" in caplog.text
    assert "are needed" in caplog.text
    assert "batches: 8 of 8" in caplog.text


def obvious_rows(array: np.ndarray, label: str, first_document: int) -> list[dict]:
    """What every row is made of, token by token."""
    document, lines = first_document, []
    for number, row in enumerate(array.tolist()):
        line = {
            "row": number,
            "label": label,
            "purity": 1.0,
            "documents": [],
            "offsets": [],
            "first_token": 0,
        }
        new = True
        for offset, token in enumerate(row):
            if new:
                line["documents"].append(document)
                line["offsets"].append(offset)
                document += 1
            new = token == 0
        lines.append(line)
    return lines


def test_the_tables_of_rows_equal_a_slow_loop(stream, reading, packed_schema):
    reading()
    train = parquet.read_table(reading.outputs[1])
    expected = obvious_rows(stream[: reading.ROWS], "pile", 0)
    assert train.to_pylist() == expected
    assert train.schema.equals(packed_schema)
    first = 1 + max(document for line in expected for document in line["documents"])
    assert parquet.read_table(reading.outputs[3]).to_pylist() == obvious_rows(stream[36:44], "pile", first)
    assert "made_by" in str(pq.read_schema(reading.outputs[1]).metadata)


@pytest.fixture
def packed_schema():
    """The columns of the table of rows of any other corpus."""
    from tokenizers import Tokenizer, models

    letters = Tokenizer(models.BPE({"</s>": 0, "a": 1, "b": 2}, []))
    encoding.frame(letters, "</s>", None)
    table = pa.table({"document": [0, 1], "text": ["aa", "bb"], "label": ["x", "x"]})
    return tokens.pack(letters, table, 4)[1].schema


@pytest.mark.parametrize("rows", [1, 7, 500])
def test_rows_tables_join_whatever_their_parts(rows):
    array = np.random.default_rng(rows).integers(0, 4, (rows, WIDTH)).astype(np.uint16)
    cuts = [0, rows // 3, rows // 2, rows]
    document, parts = 5, []
    for start, stop in itertools.pairwise(cuts):
        table, found = rows_table(array[start:stop], 0, "x", start, document)
        document += found
        parts.append(table)
    assert pa.concat_tables(parts).to_pylist() == obvious_rows(array, "x", 5)


def test_from_the_hub_only_what_is_needed_is_asked_for(stream, reading, hub, tmp_path):
    contents = cut(stream.tobytes())
    remote = Reading(tmp_path / "b", settings(REPOSITORY, len(contents)), pin(hub, contents))
    remote()
    reading()
    assert remote.contents == reading.contents
    asked = Counter()
    for name, start, stop in received(hub):
        number = list(contents).index(name)
        asked.update(range(number * SHARD_BYTES + start, number * SHARD_BYTES + stop))
    needed = {*range(22 * ROW_BYTES), *range(9 * BATCH_BYTES, 11 * BATCH_BYTES)}
    assert asked == dict.fromkeys(needed, 1)
