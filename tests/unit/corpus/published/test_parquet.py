"""Published batches in Parquet files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.corpus.published.streams import (
    BATCH,
    REPOSITORY,
    VOCABULARY,
    WIDTH,
    Reading,
    pin,
    received,
    settings,
)

from mda.config import corpus_sections
from mda.corpus.published.run_batches import ParquetBatches
from mda.runtime.errors import UserError
from mda.steps.corpus import batches as step


def tables(stream: np.ndarray, **options) -> dict[str, bytes]:
    """Three files of four batches each, rows of a file out of order, in small row groups."""
    found = {}
    for number in range(3):
        rows = np.random.default_rng(number).permutation(16) + number * 16
        if number == 0:
            rows = np.arange(16)
        table = pa.table(
            {
                "uid": rows,
                "batch_idx": rows // BATCH,
                "token_ids": pa.array(stream[rows].tolist(), options.get("type", pa.list_(pa.int64()))),
            }
        )
        sink = pa.BufferOutputStream()
        statistics = options.get("statistics", True)
        pq.write_table(table, sink, row_group_size=6, write_statistics=statistics)
        found[f"data/train-{number + 1:03d}000.parquet"] = sink.getvalue().to_pybytes()
    return found


def parquet(place: Path | str, **changes) -> corpus_sections.Tokenized:
    changes = {"format": "parquet", "files": "data/train-{number:03d}000.parquet", "first": 1, **changes}
    return settings(place, 3, **changes)


@pytest.fixture
def table_folder(stream, tmp_path):
    def make(contents: dict[str, bytes]) -> Path:
        (tmp_path / "tables" / "data").mkdir(parents=True)
        for name, content in contents.items():
            (tmp_path / "tables" / name).write_bytes(content)
        return tmp_path / "tables"

    return make


@pytest.mark.parametrize(
    "options",
    [{}, {"statistics": False}, {"type": pa.list_(pa.int32(), WIDTH)}, {"type": pa.large_list(pa.uint16())}],
)
def test_parquet_equals_binary(stream, reading, table_folder, tmp_path, options):
    reading()
    second = Reading(tmp_path / "b", parquet(table_folder(tables(stream, **options))))
    second()
    assert second.contents[:4] == reading.contents[:4]
    assert [line["sha256"] for line in second.ledger] == [line["sha256"] for line in reading.ledger]
    assert second.ledger[0]["files"] == ["data/train-001000.parquet"]
    assert second.ledger[0]["first_byte"] is None


def test_of_parquet_on_the_hub_only_the_row_groups_needed_are_read(stream, hub, tmp_path, reading):
    # Row groups far larger than the footer, which is read with what lies before it.
    wide = np.random.default_rng(0).integers(1, VOCABULARY, (48, 20_000))
    contents = tables(wide)
    source = parquet(REPOSITORY, width=20_000, held_out=[10, 11])
    reader = ParquetBatches(step.shards_of(source, pin(hub, contents)), 20_000, BATCH)
    assert np.array_equal(reader.read(0, 2), wide[:2])
    assert np.array_equal(reader.read(0, 4), wide[:4])
    sizes = {name.rpartition("/")[2]: len(content) for name, content in contents.items()}
    served = Counter()
    for name, start, stop in received(hub):
        served[name] += stop - start
    assert 0.2 < served["train-001000.parquet"] / sizes["train-001000.parquet"] < 0.75
    assert served["train-002000.parquet"] == 0
    with pytest.raises(
        UserError, match=r"no file holds batch 12, the 3 files read hold batches 0 to 11; lower"
    ):
        reader.check(13)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 8}, r"train-001000\.parquet of .* has rows that are not 8 tokens long"),
        ({"batch_size": 3}, r"batch 0 has 4 rows, not corpus\.tokenized\.batch_size \(3\)"),
    ],
)
def test_parquet_of_other_rows_is_one_sentence(stream, table_folder, changes, words):
    source = parquet(table_folder(tables(stream)), **changes)
    reader = ParquetBatches(step.shards_of(source, None), source.width, source.batch_size)
    with pytest.raises(UserError, match=words):
        reader.read(0, 1)


def test_parquet_of_other_content_is_one_sentence(stream, table_folder):
    contents = tables(stream)
    contents["data/train-002000.parquet"] = b"no parquet at all"
    folder = table_folder(contents)
    reader = ParquetBatches(step.shards_of(parquet(folder), None), WIDTH, BATCH)
    with pytest.raises(UserError, match=r"train-002000\.parquet of .* cannot be read as Parquet"):
        reader.check(5)
    pq.write_table(pa.table({"uid": [1]}), folder / "data" / "train-002000.parquet")
    with pytest.raises(UserError, match=r"has no column 'batch_idx', only uid"):
        ParquetBatches(step.shards_of(parquet(folder), None), WIDTH, BATCH).check(5)
    for value in (-1, 70_000):
        table = pa.table({"uid": range(4), "batch_idx": [4] * 4, "token_ids": [[value] * WIDTH] * 4})
        pq.write_table(table, folder / "data" / "train-002000.parquet")
        with pytest.raises(UserError, match="has tokens that are not between 0 and 65535"):
            ParquetBatches(step.shards_of(parquet(folder), None), WIDTH, BATCH).read(16, 17)
