"""Files that no job makes: their content counts, and neither date nor place."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mda.config import corpus_sections, sections
from mda.runtime import external_files, files
from mda.runtime.errors import UserError
from mda.steps.corpus import corpus as corpus_step
from mda.steps.corpus import measured_text
from mda.steps.corpus import tokenizer as tokenizer_step


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "checkpoint"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"x" * 100)
    return made


def test_dates_places_and_hidden_files_are_no_content(folder, tmp_path):
    before = external_files.content([folder])
    described = files.describe(folder)
    os.utime(folder / "config.json", (2**33, 2**33))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "lock").write_text("x")
    (folder / ".snakemake_timestamp").touch()
    moved = folder.rename(tmp_path / "elsewhere")
    assert external_files.content([moved]) == before
    assert files.describe(moved) == described


def test_names_in_a_folder_and_contents_are(folder):
    seen = [external_files.content([folder])]
    (folder / "model.safetensors").write_bytes(b"x" * 99 + b"y")
    seen.append(external_files.content([folder]))
    (folder / "config.json").rename(folder / "other.json")
    seen.append(external_files.content([folder]))
    assert len(set(seen)) == 3
    assert external_files.content([]) == external_files.NOTHING


def test_the_middle_of_a_large_file_counts_and_its_date_does_not(folder, monkeypatch):
    """It is read once for a date, not at every plan."""
    monkeypatch.setattr(external_files, "LARGE_BYTES", 10)
    monkeypatch.setattr(files, "HASHED_BYTES", 10)
    large = folder / "model.safetensors"
    before = external_files.content([large])
    read = []
    digest = files.digest
    monkeypatch.setattr(files, "digest", lambda path: read.append(path) or digest(path))
    # As of another process.
    external_files._known.cache_clear()
    assert (external_files.content([large]), read) == (before, [])
    os.utime(large, (0, 0))
    assert (external_files.content([large]), read) == (before, [large])
    large.write_bytes(b"x" * 50 + b"y" + b"x" * 49)
    os.utime(large, (0, 0))
    assert external_files.content([large]) != before


def test_a_memory_that_is_damaged_is_no_content(folder, monkeypatch):
    monkeypatch.setattr(external_files, "LARGE_BYTES", 10)
    before = external_files.content([folder])
    external_files.DIGESTS.write_text("[]")
    external_files._known.cache_clear()
    assert external_files.content([folder]) == before


def test_a_file_that_is_gone_is_one_sentence(folder):
    with pytest.raises(UserError, match=r"nowhere: cannot be read \(No such file.*; mend the path"):
        external_files.content([Path("nowhere")])


def text_file(folder):
    pq.write_table(pa.table({"text": ["a b"]}), folder / "a.parquet")
    return sections.MeasuredText(repository=str(folder), revision=None, file="a.parquet", column="text")


@pytest.mark.parametrize("step", ["corpus", "tokenizer", "measured_text"])
def test_a_step_reads_nothing_else_than_was_planned(folder, step):
    """A change during a run, and back after it, would be seen by no plan."""
    out, stale = folder.parent / "out", "0" * 16
    table = corpus_sections.Table(path=str(folder / "config.json"), text="text", label=None)
    corpus = corpus_sections.Corpus(
        source="jsonl", held_out=0.5, split_seed=0, table=table, synthetic=None, files=None,
        huggingface=None, tokenized=None,
    )  # fmt: skip
    own = corpus_sections.Tokenizer(
        kind="file", vocabulary=64, path=str(folder / "config.json"), revision=None, end=None, begin=None
    )
    run = {
        "corpus": lambda: corpus_step.collect(corpus, out, stale),
        "tokenizer": lambda: tokenizer_step.make([], own, None, out, stale),
        "measured_text": lambda: measured_text.pack(text_file(folder), None, out, 8, out, stale),
    }
    with pytest.raises(UserError, match="has changed since this run was planned; run the same command again"):
        run[step]()
    assert not out.exists()
