"""The steps that read all scores run on made-up scores, as `mda bench tables` measures them."""

import pyarrow.parquet as pq
import pytest

from mda.bench import tables
from mda.commands import bench
from mda.evidence import csv_tables
from mda.runtime import parquet
from mda.studies.tail import table as tail

COUNT = 2500


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "scores"
    tables.prepare(folder, COUNT)
    return folder


def test_made_up_scores_are_of_the_schema_that_the_workflow_writes(place):
    rows = parquet.read_table(place / "order.parquet").column("row").to_pylist()
    assert sorted(rows) == list(range(COUNT))
    [shard] = (place / "shards").glob("*.parquet")
    names = pq.read_schema(shard).names
    assert names == ["step", "row", "target", "influence", "qk", "v", "o", "loss"]


def test_every_step_does_its_work(place, monkeypatch):
    monkeypatch.setattr(tail, "RESAMPLES", 20)
    for _, work in tables.STEPS.values():
        work(place, COUNT)
    lines = {
        name: parquet.lines_of(place / f"{name}.parquet")
        for name in ("scores", "selection", "own", "by-document")
    }
    assert lines == {"scores": COUNT, "selection": COUNT // 10, "own": COUNT // 10, "by-document": COUNT}
    assert csv_tables.read(place / "labels.csv").groupby("selection")["count"].sum().to_dict() == {
        "all": COUNT, f"influence-{tables.TARGET}": COUNT // 10
    }  # fmt: skip
    assert csv_tables.read(place / "recovery.csv")["samples"].tolist() == [COUNT] * 3
    assert set(csv_tables.read(place / "tail.csv")["samples"]) == {COUNT}
    assert len(csv_tables.read(place / "enrichment.csv")) == 2 * (tables.LABELS + 5)
    agreement = csv_tables.read(place / "agreement.csv")
    assert agreement[["samples", "spearman", "overlap"]].values.tolist() == [[COUNT, 1, 1]]
    assert not list(place.glob(".*"))


def test_the_section_is_a_line_for_each_step(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "measured", lambda step, place, number: (1.0, number / 1000))
    found = tables.by_samples(tmp_path, [20, 30])
    assert found.count("\n") == len(tables.STEPS) + 2
    assert "| 0.02 | 1 | 0.03 | 1 |" in found
    assert "tables" in bench.SECTIONS and not list(tmp_path.iterdir())
