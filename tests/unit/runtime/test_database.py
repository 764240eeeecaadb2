"""Tables that do not fit the memory are sorted and joined on disk, and nothing is left there."""

import os
import socket
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from project import ROOT

from mda.runtime import database, parquet
from mda.runtime.errors import UserError

# Sorts what is larger than it may hold, and tells its peak of memory that is its own, in MB.
SORT = """
import re, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from mda.runtime import database, files

def pieces(number):
    for begin in range(0, number, 2**16):
        values = np.random.default_rng(begin).random((2, min(2**16, number - begin)))
        yield pa.record_batch({"value": values[0], "other": values[1]})

def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

out, number, peak = Path(sys.argv[1]), int(sys.argv[2]), 0
with database.beside(out, 64) as data:
    given = database.table(data.keep("given", pieces(number)))
    count, before, spilled = 0, -1.0, 0
    for batch in data.ask(f"select value, other from {given} order by value"):
        values = batch.column("value").to_numpy()
        assert before <= values[0] and (np.diff(values) >= 0).all()
        before, count, peak = values[-1], count + len(values), max(peak, own())
        spilled = max(spilled, sum(path.stat().st_size for path in data.folder.glob("duckdb*")))
print(count, peak, spilled)
"""


def test_memory_does_not_grow_with_what_is_sorted(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}
    peaks = {}
    for number in (10**6, 8 * 10**6):
        command = [sys.executable, "-c", SORT, str(tmp_path / "out"), str(number)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        count, peak, spilled = map(float, done.stdout.split())
        assert count == number
        peaks[number] = peak
    # 128 MB of numbers, in what may hold 64.
    assert spilled > 0
    assert peaks[8 * 10**6] < peaks[10**6] + 64
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["all", "where"])
def test_what_was_read_of_a_table_is_not_held(tmp_path, how):
    """By default pyarrow holds all that it has read until the table is closed."""
    values = np.random.default_rng(0).random(2**20)
    pieces = (pa.table({"value": part, "target": ["unit"] * len(part)}) for part in np.split(values, 64))
    parquet.write_tables(tmp_path / "table", pieces)
    before, most, count = pa.total_allocated_bytes(), 0, 0
    read = parquet.read_batches(tmp_path / "table", ["value"])
    if how == "where":
        read = parquet.read_batches_where(tmp_path / "table", "target", "unit", ["value"])
    for batch in read:
        most, count = max(most, pa.total_allocated_bytes() - before), count + len(batch)
    assert count == len(values)
    assert most < values.nbytes / 2


def test_what_a_killed_process_left_goes_away(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = socket.gethostname()
    left, long_ago = tmp_path / f".out.0123.{ended.pid}@{here}.spill", tmp_path / ".out.4567.1@other.spill"
    lives, elsewhere = tmp_path / f".out.0123.{os.getpid()}@{here}.spill", tmp_path / ".out.89.1@other.spill"
    other = tmp_path / f".outer.0123.{ended.pid}@{here}.spill"
    for folder in (left, long_ago, lives, elsewhere, other):
        folder.mkdir()
        (folder / "duckdb_temp_storage").write_bytes(b"much")
    os.utime(long_ago, (0, 0))
    with database.beside(tmp_path / "out") as data:
        assert not left.exists() and not long_ago.exists()
        assert data.folder.parent == tmp_path
    # Those of processes that may still sort, and of another result.
    assert set(tmp_path.iterdir()) == {lives, elsewhere, other}


def test_the_first_lines_are_read_whatever_pieces_a_table_has(tmp_path):
    pieces = (pa.table({"row": part, "other": -part}) for part in np.array_split(np.arange(20), 6))
    parquet.write_tables(tmp_path / "table", pieces)
    for lines in (1, 4, 9, 20, 30, None):
        found = parquet.read_first(tmp_path / "table", lines)
        assert found.column("row").to_pylist() == list(range(20))[:lines]
        assert found.column_names == ["row", "other"]
    assert parquet.read_first(tmp_path / "table", 5, ["other"]).to_pydict() == {"other": [0, -1, -2, -3, -4]}


@pytest.mark.parametrize("name", ["it's", "a [b] c*?.parquet", "a;b\\c", '"quoted"'])
def test_a_name_is_no_pattern(tmp_path, name):
    path = tmp_path / name
    parquet.write_table(path, {"row": [2, 0, 1]})
    parquet.write_table(tmp_path / "b", {"row": [7]})
    with database.beside(tmp_path / "out") as data:
        query = f"select row, file_row_number from {database.table(path)} order by row"
        assert [batch.to_pydict() for batch in data.ask(query)] == [
            {"row": [0, 1, 2], "file_row_number": [1, 2, 0]}
        ]


def test_a_table_that_is_cut_off_is_named(tmp_path):
    parquet.write_table(tmp_path / "table", {"row": np.arange(1000)})
    (tmp_path / "table").write_bytes((tmp_path / "table").read_bytes()[:-50])
    with pytest.raises(UserError, match="cannot be read as Parquet"), database.beside(tmp_path / "out"):
        database.table(tmp_path / "table")


def test_zeros_of_both_signs_are_ties(tmp_path):
    values = pa.record_batch({"value": [0.0, -0.0, 1.0, -0.0, 0.0], "tie": [3, 1, 0, 2, 4]})
    with database.beside(tmp_path / "out") as data:
        given = database.table(data.keep("given", [values]))
        [found] = data.ask(f"select tie from {given} order by value desc, tie")
    assert found.column("tie").to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("sizes", [(1000, 1000), (7, 300), (300, 7), (1, 1)])
def test_tables_that_are_sorted_are_joined_piece_by_piece(sizes):
    generator = np.random.default_rng(0)
    wanted = np.sort(generator.integers(-5, 80, 60))
    keys = np.sort(generator.choice(70, 50))
    values = generator.integers(0, 9, 50)

    def pieces(columns, size):
        whole = pa.RecordBatch.from_pydict(columns)
        return (whole.slice(begin, size) for begin in range(0, len(whole), size))

    left = pieces({"row": wanted, "own": np.arange(60)}, sizes[0])
    right = pieces({"row": keys, "value": values, "words": [f"w{key}" for key in keys]}, sizes[1])
    found = pa.Table.from_batches(database.looked_up(left, right, "row")).to_pydict()
    first = {key: place for place, key in reversed(list(enumerate(keys.tolist())))}
    assert found["own"] == list(range(60))
    assert found["value"] == [values[first[row]] if row in first else None for row in wanted.tolist()]
    assert found["words"] == [f"w{row}" if row in first else None for row in wanted.tolist()]


def test_a_table_that_is_not_sorted_is_refused():
    """Its lines would not be found, in silence."""
    wanted = [pa.record_batch({"row": [0, 1, 2]})]
    for parts in ([[1, 0, 2]], [[1, 2], [0]]):
        table = (pa.record_batch({"row": part, "value": part}) for part in parts)
        with pytest.raises(UserError, match="a table is not sorted by its column row"):
            list(database.looked_up(wanted, table, "row"))


def test_an_empty_table_and_a_full_disk_are_told_in_a_sentence(tmp_path):
    wanted, nothing = [pa.record_batch({"row": [0]})], iter(())
    with pytest.raises(UserError, match="a table to be joined by row has no lines"):
        list(database.looked_up(wanted, nothing, "row"))
    values = np.random.default_rng(0).random(6_000_000)
    with (
        pytest.raises(UserError, match="cannot be sorted on disk") as told,
        database.beside(tmp_path / "out", memory=80) as data,
    ):
        data._connection.execute("set max_temp_directory_size = '1MB'")
        kept = data.keep("given", [pa.record_batch({"value": values, "more": values[::-1]})])
        list(data.ask(f"select * from {database.table(kept)} order by value"))
    # SLURM's retries with more memory go by these words.
    assert "out of memory" not in str(told.value).lower()


def test_columns_of_users_that_differ_in_case_keep_their_values(tmp_path):
    given = pa.record_batch({"document": [1, 0], "Id": ["A", "B"], "id": ["a", "b"], "Document": [7, 8]})
    fields = [given.schema.field(name) for name in ("Id", "id", "Document")]
    with database.beside(tmp_path / "out") as data:
        kept = data.keep("given", database.shielded([given], fields))
        [found] = data.ask(f"select * from {database.table(kept)} order by document")
    assert [found.column(database.own_name(place)).to_pylist() for place in range(3)] == [
        ["B", "A"], ["b", "a"], [8, 7],
    ]  # fmt: skip
    nested = pa.record_batch({"n": pa.array([{"a": 1, "A": 2}])})
    with pytest.raises(
        UserError, match="the column 'n' of the documents has nested names that differ in case"
    ):
        list(database.shielded([nested], list(nested.schema)))
