"""Corpora as users have them: all of the text arrives, or the log says which did not and why."""

import bz2
import gzip
import json
import logging
import lzma
import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mda.config import consistency, corpus_sections, sections
from mda.corpus import sources
from mda.runtime import parquet
from mda.runtime.errors import UserError
from mda.steps.corpus import corpus as corpus_step
from mda.steps.corpus import measured_text

PACKS = [gzip.compress, lambda content: pa.compress(content, codec="zstd", asbytes=True)]
PACKS += [bz2.compress, lzma.compress]
NAMES = ["gzip", "zstd", "bz2", "xz"]
LINES = b'{"text": "one", "kind": "x"}\n{"text": "two", "kind": "y"}\n'


def chosen(default, source, path, **changes):
    table = {"path": str(path), "text": "text", "label": None, **changes}
    return corpus_sections.Corpus.model_validate({**default["corpus"], "source": source, "table": table})


def read(default, source, path, **changes):
    """Text, label and origin of every document."""
    found = sources.documents(chosen(default, source, path, **changes))
    return [(document.text, document.label, document.origin) for document in found]


def texts(*arguments, **changes):
    return [text for text, _, _ in read(*arguments, **changes)]


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz", "d"])
@pytest.mark.parametrize("pack", PACKS, ids=NAMES)
def test_compressed_lines_whatever_the_name_says(default, tmp_path, name, pack):
    """In two parts, as tools write it that compress in parallel or append."""
    half = LINES.index(b"\n") + 1
    (tmp_path / name).write_bytes(pack(LINES[:half]) + pack(LINES[half:]))
    found = read(default, "jsonl", tmp_path / name, label="kind")
    assert found == [("one", "x", f"{name}:1"), ("two", "y", f"{name}:2")]


@pytest.mark.parametrize("pack", PACKS, ids=NAMES)
def test_a_compressed_file_that_was_cut_is_not_taken_for_whole(default, tmp_path, pack):
    (tmp_path / "d").write_bytes(pack(LINES * 99)[:-9])
    with pytest.raises(UserError, match=r"d: cannot be unpacked to its end \("):
        texts(default, "jsonl", tmp_path / "d")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04...", "is a zip archive; unpack it"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of Git LFS, not the file itself; fetch",
        ),
        (b"\x04\x22\x4d\x18..", "is compressed with LZ4; unpack it"),
        ('{"text": "a"}'.encode("utf-32"), "is UTF-32; write it as UTF-8"),
        ('{"text": "a"}'.encode("utf-16-le"), r"is not JSON \(.*it has bytes of 0, as UTF-16"),
        (b"PAR1....", "is a Parquet file; set corpus.source to parquet"),
        ("{}".encode("utf-16"), "is UTF-16; write it as UTF-8"),
        (b'[\n{"text": "a"}\n]\n', r"line 1 is not JSON \(.*this looks like JSON over several lines"),
        (b'{"text": "a"}\n{"text": \n', r"line 2 is not JSON \(.*; write one JSON object a line"),
        (
            b'{"text": "a"}\n\n{"text": null}',
            r"line 3 has nothing in column 'text'; mend it .*\.table\.missing",
        ),
        (
            b'{"text": "a"}\n{"body": "b"}',
            r"line 2 has no column 'text', only body; .* to skip",
        ),
        (b'{"text": "a\\ud800"}', r"d: line 1 has half of a character, \\ud800, at character 1; mend it"),
        (b'{"text": "a"}\n{"text": "\xff"}', r"d: line 2 is not UTF-8 at byte 10; mend it"),
        (b'{"text": "a", "text": "b"}', r"line 1 is not JSON \(the key 'text' twice in an object\)"),
        (b'{"text": ["a"]}', r"line 1: column 'text' is no text but \"\['a'\]\"; name another"),
    ],
)
def test_what_is_wrong_is_told_truly_and_with_its_place(default, tmp_path, content, words):
    (tmp_path / "d").write_bytes(content)
    with pytest.raises(UserError, match=words):
        texts(default, "jsonl", tmp_path / "d")


def test_what_is_missing_is_skipped_on_request_and_counted(default, tmp_path, caplog):
    lines = [
        b'\xef\xbb\xbf{"text": "one", "kind": "x"}',
        b"  ",
        b'{"text": null, "kind": "x"}',
        b'{"kind": "x"}',
        b'{"text": "no label"}',
        b'{"text": "half \\ud83d", "kind": "x"}',
        b'{"text": "\xff", "kind": "x"}',
        b'{"text": "two", "kind": NaN}',
        b'{"text": "\\ud83d\\ude42", "kind": 7}',
        b"",
    ]
    (tmp_path / "d.jsonl").write_bytes(b"\r\n".join(lines))
    with caplog.at_level(logging.INFO):
        found = read(default, "jsonl", tmp_path / "d.jsonl", label="kind", missing="skip")
    assert found == [("one", "x", "d.jsonl:1"), ("🙂", "7", "d.jsonl:9")]
    assert (
        "2 documents; rows left out: 1 blank lines, 2 without 'text', 2 without 'kind', 1 with half of a "
        "character, 1 cannot be read" in caplog.text
    )


def test_rows_without_a_label_may_have_a_stated_one(default, tmp_path):
    (tmp_path / "d.jsonl").write_bytes(LINES + b'{"text": "three"}\n{"text": "four", "kind": null}')
    found = read(default, "jsonl", tmp_path / "d.jsonl", label="kind", missing_label="none")
    assert [label for _, label, _ in found] == ["x", "y", "none", "none"]


@pytest.mark.parametrize(
    "changes", [{"text": "body"}, {"label": "sort"}, {"label": "sort", "missing_label": "x"}]
)
def test_a_column_that_no_row_has_is_a_mistake_even_where_rows_are_skipped(default, tmp_path, changes):
    (tmp_path / "d.jsonl").write_bytes(LINES)
    with pytest.raises(UserError, match=r"no row has a column '(body|sort)': .*only text, kind; mend"):
        texts(default, "jsonl", tmp_path / "d.jsonl", missing="skip", **changes)


@pytest.mark.parametrize("source", ["jsonl", "parquet"])
def test_columns_inside_of_columns(default, tmp_path, source):
    rows = [{"doc": {"text": "inner", "meta": {"kind": "x"}}, "doc.kind": "outer", "other": 1}]
    (tmp_path / "jsonl").write_text(json.dumps(rows[0]))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "parquet")
    path = tmp_path / source
    assert read(default, source, path, text="doc.text", label="doc.meta.kind") == [
        ("inner", "x", f"{source}:{int(source == 'jsonl')}")
    ]
    # A column of this very name comes first.
    assert texts(default, source, path, text="doc.kind") == ["outer"]
    with pytest.raises(UserError, match=r"has no column 'doc\.body', only doc"):
        texts(default, source, path, text="doc.body")


@pytest.fixture
def folder(tmp_path):
    """Files in folders, and what programs leave beside them."""
    root = tmp_path / "data"
    for number, name in enumerate(["b/0.jsonl", "a/0.jsonl.gz", "a/1.json"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"text": f"t{number}"}).encode()
        (root / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        pq.write_table(pa.table({"text": [f"t{number}"]}), (root / name).parent / f"{number}.parquet")
    (root / "README.md").write_text("no data")
    (root / "a" / "_SUCCESS.ndjson").write_text("no data")
    (root / ".ipynb_checkpoints").mkdir()
    (root / ".ipynb_checkpoints" / "0.jsonl").write_text("no data")
    return root


@pytest.mark.parametrize("pattern", ["", "**/*.json*", "?/[01].json*"])
def test_folders_and_patterns(default, folder, pattern):
    found = read(default, "jsonl", f"{folder}/{pattern}" if pattern else folder)
    assert sorted(found) == [
        ("t0", "all", "b/0.jsonl:1"), ("t1", "all", "a/0.jsonl.gz:1"), ("t2", "all", "a/1.json:1"),
    ]  # fmt: skip


def test_parquet_in_a_folder(default, folder, caplog):
    caplog.set_level(logging.INFO)
    assert read(default, "parquet", folder) == [
        ("t1", "all", "a/1.parquet:0"), ("t2", "all", "a/2.parquet:0"), ("t0", "all", "b/0.parquet:0"),
    ]  # fmt: skip
    assert f"3 files of {folder} are read; 6 others in the folder are not" in caplog.text


def test_every_file_that_counts_changes_the_fingerprint(default, folder):
    corpora = chosen(default, "jsonl", folder), chosen(default, "jsonl", f"{folder}/*/*.jsonl*")
    seen = [[sources.fingerprint(one) for one in corpora]]
    (folder / "README.md").write_text("other")
    assert [sources.fingerprint(one) for one in corpora] == seen[0]
    (folder / "b" / "0.jsonl").write_text('{"text": "changed"}')
    seen.append([sources.fingerprint(one) for one in corpora])
    (folder / "b" / "1.jsonl").write_text('{"text": "new"}')
    seen.append([sources.fingerprint(one) for one in corpora])
    (folder / "b" / "1.jsonl").rename(folder / "b" / "2.jsonl")
    seen.append([sources.fingerprint(one) for one in corpora])
    for of_one in zip(*seen, strict=True):
        assert len(set(of_one)) == 4


def test_a_file_of_many_names_is_read_once(default, tmp_path):
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "d.jsonl").write_bytes(LINES)
    assert texts(default, "jsonl", f"{tmp_path}/**/*.jsonl") == ["one", "two"]


def test_a_name_that_is_not_utf8_is_written_as_text(default, tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(LINES)
    assert [origin for _, _, origin in read(default, "jsonl", tmp_path)] == [
        "caf\\xe9.jsonl:1",
        "caf\\xe9.jsonl:2",
    ]


def test_a_column_that_is_there_twice_is_told(default, tmp_path):
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "d.parquet")
    with pytest.raises(UserError, match="has two columns 'text'; rename one of them"):
        texts(default, "parquet", tmp_path / "d.parquet")


def test_other_bytes_stay_other_texts(default, tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], "id": [b"\xff\x01", b"\xfe\x01"]}), tmp_path / "d.parquet")
    found = list(sources.documents(chosen(default, "parquet", tmp_path / "d.parquet", columns=["id"])))
    assert [one.own["id"] for one in found] == ["\\xff\x01", "\\xfe\x01"]


def test_parquet_with_bytes_nulls_and_wrong_utf8(default, tmp_path, caplog):
    """Spark writes texts as bytes; Arrow does not look whether a string is UTF-8."""
    path = tmp_path / "d.parquet"
    raw = pa.array([b"one", None, b"\xff", "é".encode()], pa.binary())
    for column in (raw, pa.Array.from_buffers(pa.string(), 4, raw.buffers())):
        pq.write_table(pa.table({"text": column}), path)
        with pytest.raises(UserError, match=r"d\.parquet: row 1 has nothing in column 'text'"):
            texts(default, "parquet", path)
        with caplog.at_level(logging.INFO):
            assert texts(default, "parquet", path, missing="skip") == ["one", "é"]
        assert "2 documents; rows left out: 1 without 'text', 1 " in caplog.text
        caplog.clear()


def test_parquet_that_is_damaged_further_on_is_one_sentence(default, tmp_path):
    path = tmp_path / "d.parquet"
    pq.write_table(
        pa.table({"text": [f"{number} words" for number in range(5000)]}), path, compression="gzip"
    )
    content = bytearray(path.read_bytes())
    content[100:4000] = bytes(3900)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"d\.parquet cannot be read as Parquet \("):
        texts(default, "parquet", path)


@pytest.fixture
def saved(tmp_path):
    import datasets

    rows = [{"text": f"t{number}", "doc": {"kind": "x"}} for number in range(5)]
    table = datasets.Dataset.from_list(rows)
    # Chosen rows are kept as their numbers until the dataset is saved.
    datasets.DatasetDict({"train": table.select([3, 1]), "test": table}).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_folder_that_datasets_saved(default, saved):
    found = read(default, "datasets", saved / "train", label="doc.kind")
    assert found == [("t3", "x", "train:0"), ("t1", "x", "train:1")]
    before = sources.fingerprint(chosen(default, "datasets", saved / "train"))
    [arrow] = (saved / "train").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes() + b"x")
    assert sources.fingerprint(chosen(default, "datasets", saved / "train")) != before
    arrow.write_bytes(b"")
    with pytest.raises(UserError, match="train cannot be read as a folder that datasets saved"):
        texts(default, "datasets", saved / "train")


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        ("jsonl", "saved/train", "a folder that datasets saved; set source to datasets"),
        ("datasets", "saved", r"where datasets saved several splits \(test, train\); name the folder of one"),
        ("jsonl", "pipe", "which is no plain file but a pipe or a device; write what it gives"),
        ("datasets", "nothing", "but it is not there; name a folder that save_to_disk"),
        ("datasets", "empty", "but it has no state.json in it"),
        ("parquet", "nothing.parquet", "names the file .*nothing.parquet, which does not exist"),
        ("parquet", "empty", r"is the folder .*empty, in which no file ends in \.parquet, \.pq"),
        ("jsonl", "empty/*.jsonl", r"is the pattern .*empty/\*\.jsonl, which matches no file"),
    ],
)
def test_a_path_with_nothing_to_read_is_told_by_the_plan(default, saved, tmp_path, source, place, words):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    default["corpus"] |= {
        "source": source,
        "table": {"path": str(tmp_path / place), "text": "text", "label": None},
    }
    with pytest.raises(UserError, match=words):
        consistency.check(default)


def test_rows_of_the_hub_follow_the_same_choice(default, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "train.jsonl").write_text('{"text": "one"}\n{"text": null}\n{"text": "two"}\n')
    section = {
        "repository": str(tmp_path),
        "revision": "main",
        "subset": None,
        "split": "train",
        "text": "text",
        "label": None,
        "documents": 9,
    }
    source = {**default["corpus"], "source": "huggingface", "huggingface": section}
    with pytest.raises(UserError, match=r"@main:1 has nothing in column 'text'.*huggingface\.missing"):
        list(sources.documents(corpus_sections.Corpus.model_validate(source)))
    section["missing"] = "skip"
    with caplog.at_level(logging.INFO):
        found = list(sources.documents(corpus_sections.Corpus.model_validate(source)))
    assert [document.text for document in found] == ["one", "two"]
    assert "has only 3 of the 9 documents asked for" in caplog.text
    assert "2 documents; rows left out: 1 without 'text'" in caplog.text


def test_what_of_files_is_cut_or_skipped_is_counted(default, tmp_path, caplog):
    root = tmp_path / "texts"
    root.mkdir()
    (root / "long.txt").write_text("0123456789" * 3)
    (root / "marked.txt").write_bytes(b"\xef\xbb\xbfmarked")
    (root / "other.txt").write_bytes(b"a\xff")
    (root / "empty.txt").write_text(" \n")
    section = {
        "root": str(root),
        "patterns": [{"label": "all", "glob": "*.txt"}],
        "exclude": [],
        "undecodable": "skip",
        "max_characters": 10,
    }
    source = {**default["corpus"], "source": "files", "files": section}
    with caplog.at_level(logging.INFO):
        corpus_step.collect(corpus_sections.Corpus.model_validate(source), tmp_path / "d.parquet")
    assert parquet.read_table(tmp_path / "d.parquet").column("text").to_pylist() == ["0123456789", "marked"]
    assert "4 files; 1 skipped as no UTF-8; 1 cut at 10 characters, which leaves out 20" in caplog.text
    assert "2 documents, and 1 left out, which are empty" in caplog.text
    assert re.search(r"skipped .*other\.txt: not UTF-8 at byte 1", caplog.text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"text", mtime=0), "is compressed; unpack it, leave it out with"),
        ("text".encode("utf-16"), "is UTF-16; write it as UTF-8, leave it out with"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS.* leave it out with"),
    ],
)
def test_files_that_are_no_text_are_told_as_what_they_are(default, tmp_path, content, words):
    (tmp_path / "a.txt").write_bytes(content)
    section = {
        "root": str(tmp_path),
        "patterns": [{"label": "all", "glob": "*.txt"}],
        "exclude": [],
        "undecodable": "error",
        "max_characters": 10,
    }
    source = {**default["corpus"], "source": "files", "files": section}
    with pytest.raises(UserError, match=words):
        list(sources.documents(corpus_sections.Corpus.model_validate(source)))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("body", r"t\.parquet has no column 'body', only text, number; name one of these"),
        ("number", r"row 0 of t\.parquet has no text in column 'number'"),
        ("text", r"row 1 of t\.parquet has nothing in column 'text'"),
    ],
)
def test_a_measured_text_that_is_none_is_told(tmp_path, column, words):
    pq.write_table(pa.table({"text": ["a", None], "number": [1, 2]}), tmp_path / "t.parquet")
    text = sections.MeasuredText(repository=str(tmp_path), revision=None, file="t.parquet", column=column)
    with pytest.raises(UserError, match=words):
        measured_text.pack(text, None, tmp_path / "none.json", 4, tmp_path / "out.npy")
