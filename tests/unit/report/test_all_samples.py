"""The files of the browser of all samples hold what the tables hold, line by line."""

import base64
import json
import re
import zlib

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from project import ROOT
from tokenizers.models import WordLevel

from mda.report import all_samples
from mda.runtime import cli, database, files, parquet
from mda.runtime.errors import UserError
from mda.steps.report import all_samples as step

TEMPLATE = ROOT / "workflow" / "report" / "all_samples.html.j2"
COUNT = 300
WORDS = ("one", "two", "three", "<script>alert(1)</script>", "\u2028", "שלום")
TARGETS = ("first", "second")
ARGUMENTS = [
    *("--packed", "false", "--templates", str(TEMPLATE), "--experiment", "null", "--checkpoint", "step 3"),
    *("--window", "null", "--trained", "true", "--strategy", "ekfac", "--characters", "12", "--ends", "5"),
]


@pytest.fixture
def made(tmp_path):
    """The folder, made of rows of their own documents, and what it must hold."""
    generator = np.random.default_rng(0)
    reader = tokenizers.Tokenizer(
        WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="one")
    )
    reader.save(str(tmp_path / "tokenizer.json"))
    rows = generator.integers(0, len(WORDS), (COUNT, 9)).astype(np.uint16)
    rows[7, 5:] = np.iinfo(np.uint16).max
    files.write_array(tmp_path / "train.npy", rows)
    lines = {
        "step": np.repeat(np.arange(COUNT // 3), 3),
        "row": generator.permutation(COUNT),
        "loss": generator.random(COUNT).astype("f4"),
        "label": np.array(["a", "</script>"])[generator.integers(0, 2, COUNT)],
    }
    influence = {target: generator.normal(size=COUNT).astype("f4") for target in TARGETS}
    parts = []
    for target in TARGETS:
        # In another order for each, as it may be in the file.
        order = generator.permutation(COUNT)
        columns = {name: column[order] for name, column in lines.items()}
        parts.append(pa.table({**columns, "influence": influence[target][order], "target": [target] * COUNT}))
    parquet.write_table(tmp_path / "scores.parquet", pa.concat_tables(parts))
    files.write_json(tmp_path / "targets.json", {"targets": {name: {"units": ["L0H0"]} for name in TARGETS}})
    documents = np.arange(COUNT)[::-1]
    parquet.write_table(tmp_path / "rows.parquet", {"documents": [[int(place)] for place in documents]})
    names = [f"file {place}" if place % 5 else None for place in range(COUNT)]
    table = {"document": np.arange(COUNT), "text": [""] * COUNT, "label": ["a"] * COUNT, "name": names}
    parquet.write_table(tmp_path / "documents.parquet", table)
    given = {
        "scores": "scores.parquet", "targets": "targets.json", "train": "train.npy", "out": "all",
        "tokenizer": "tokenizer.json", "train-rows": "rows.parquet", "documents": "documents.parquet",
    }  # fmt: skip
    arguments = [part for key, name in given.items() for part in (f"--{key}", str(tmp_path / name))]
    arguments += [*ARGUMENTS, "--others", "--checkpoints", "[]"]
    cli.run(step.write, arguments)
    texts = [reader.decode(row[row < len(WORDS)].tolist(), skip_special_tokens=False) for row in rows]
    sources = [names[document] for document in documents]
    return tmp_path / "all", lines, influence, texts, sources


def told(path):
    """What a file hands the page: kind, key and data."""
    text = path.read_text(encoding="ascii")
    assert text.startswith("SAMPLES(") and text.endswith(");\n")
    assert not set("<>&'") & set(text)
    return json.loads(f"[{text[len('SAMPLES(') : -3]}]")


def test_the_columns_are_those_of_the_scores_in_the_order_of_the_run(made):
    folder, lines, influence, *_ = made
    order = np.lexsort((lines["row"], lines["step"]))
    for name, column, kind in (
        *((name, lines[name], "<u4") for name in ("step", "row")),
        ("loss", lines["loss"], "<f4"),
        *((f"influence-{place}", influence[target], "<f4") for place, target in enumerate(TARGETS)),
    ):
        assert told(folder / f"column-{name}.js")[:2] == ["column", name]
        found = np.frombuffer(base64.b64decode(told(folder / f"column-{name}.js")[2]), kind)
        assert found.tolist() == column[order].tolist(), name
    labels = told(folder / "labels.js")[2]
    codes = np.frombuffer(base64.b64decode(told(folder / "column-label.js")[2]), "<u4")
    assert [labels[code] for code in codes] == lines["label"][order].tolist()


def test_other_checkpoints_are_more_columns_of_the_same_samples(tmp_path):
    step, row = np.repeat(np.arange(5), 2), np.arange(10)[::-1]
    tables = {}
    for number, checkpoint in enumerate(("late", "early")):
        order = np.random.default_rng(number).permutation(10)
        parts = {
            "step": step[order],
            "row": row[order],
            "label": ["a"] * 10,
            "loss": np.full(10, number, "f4"),
        }
        influence = (100 * number + 10 * step + row)[order].astype("f4")
        tables[checkpoint] = tmp_path / f"{checkpoint}.parquet"
        parquet.write_table(
            tables[checkpoint], pa.table({**parts, "influence": influence, "target": ["t"] * 10})
        )
    with database.beside(tmp_path / "all") as data:
        found = all_samples.read(data, tables, ["t"])
        assert list(found.influence) == ["t at late", "t at early"]
        assert (found.influence["t at early"] - found.influence["t at late"]).tolist() == [100] * 10
        assert (
            found.influence["t at late"].tolist()
            == (10 * found.columns["step"] + found.columns["row"]).tolist()
        )
        assert set(found.columns["loss"].tolist()) == {0}
    with database.beside(tmp_path / "all") as data:
        assert list(all_samples.read(data, {"late": tables["late"]}, ["t"]).influence) == ["t"]
    shorter = parquet.read_table(tables["early"]).slice(1)
    parquet.write_table(tables["early"], shorter)
    told = r"early.parquet: has other samples than the scores of the first"
    with database.beside(tmp_path / "all") as data, pytest.raises(UserError, match=told):
        all_samples.read(data, tables, ["t"])


def test_every_text_is_in_its_place_with_its_document(made):
    folder, lines, _, texts, sources = made
    order = np.lexsort((lines["row"], lines["step"]))
    shown = []
    for number in range(2):
        kind, key, data = told(folder / f"texts-{number:06d}.js")
        assert (kind, key) == ("texts", number)
        shown += json.loads(zlib.decompress(base64.b64decode(data)))
    assert len(shown) == COUNT
    for (text, cut, source), row in zip(shown, lines["row"][order], strict=True):
        assert (text, cut, source) == (texts[row][:12], len(texts[row]) > 12, sources[row])
    tokens = np.frombuffer(base64.b64decode(told(folder / "column-tokens.js")[2]), "<u4")
    assert tokens.tolist() == [4 if row == 7 else 8 for row in lines["row"][order]]


def test_the_folder_says_what_made_it_and_what_it_may_load(made):
    folder = made[0]
    assert json.loads(files.made_by_of(folder))["step"] == "report.all_samples"
    page = (folder / "index.html").read_text()
    [policy] = re.findall(r'content="(default-src[^"]*)"', page)
    assert "default-src 'none'" in policy and "script-src 'unsafe-inline' 'self' file:;" in policy
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0])
    assert (data["count"], data["a_file"], data["sources"]) == (COUNT, all_samples.A_FILE, ["name"])
    assert data["cut"] and "Search in the first 12 characters of each text, in labels and columns" in page
    assert not re.findall(
        r"https?:(?!//www.w3.org/2000/svg)|@import|\bfetch\b|XMLHttp|innerHTML|document\.write", page
    )
