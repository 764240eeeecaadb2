"""The section of a tokenized corpus, and the rules that read it."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from project import ROOT
from unit.corpus.published.streams import (
    REPOSITORY,
    VOCABULARY,
    cut,
    flip,
    lay,
    settings,
    write_tokenizer,
)

from mda.config import consistency
from mda.corpus import sources
from mda.runtime import external_files
from mda.runtime.errors import UserError


@pytest.fixture
def tokenized(default, tmp_path):
    """A configuration of a tokenized corpus of rows of 33 tokens, 12 batches of 1280."""
    content = np.random.default_rng(0).integers(0, VOCABULARY, (15_360 + 1280, 33)).astype("<u2").tobytes()
    lay(tmp_path / "rows", cut(content, 1_000_003))
    source = settings(tmp_path / "rows", 2, width=33, batch_size=1280, held_out=[12, 13])
    default["corpus"] |= {"source": "tokenized", "tokenized": json.loads(source.model_dump_json())}
    path = str(write_tokenizer(tmp_path / "t.json"))
    default["tokens"]["tokenizer"] |= {"kind": "file", "path": path}
    return default


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("repository", "no/where/here", r"repository 'no/where/here' is no folder here; .* write owner/name"),
        ("revision", None, r"repository 'own/tokens' is no folder here; .* and its 'revision'"),
        ("files", "document.bin", r"files 'document\.bin' needs one place for the file's number"),
        ("files", "{number}-{number}", "needs one place for the file's number"),
        ("files", "{number:q}", "needs one place for the file's number"),
        ("files", "{file}", "needs one place for the file's number"),
        ("held_out", [13, 13], r"held_out \[13, 13\] names no batch"),
        (
            "held_out",
            [11, 13],
            r"held_out begins at batch 11, but the run reads the batches 0 to 11; let it begin at 12",
        ),
        ("width", 32, r"width is 32, but tokens\.context 32 needs rows of 33; set tokens\.context to 31"),
        ("shards", 0, "shards' is 0: input should be greater than or equal to 1"),
        ("shard", 0, "unknown key 'shard'; did you mean 'shards'"),
    ],
)
def test_a_mistake_in_the_section_is_one_sentence(tokenized, key, value, words):
    tokenized["corpus"]["tokenized"] |= {"repository": REPOSITORY, key: value}
    with pytest.raises(UserError, match=words) as caught:
        consistency.check(tokenized)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_a_tokenized_corpus_is_told(tokenized):
    assert consistency.check(tokenized).corpus.in_use().synthetic is None
    with pytest.raises(UserError, match="has batches of tokens and no documents"):
        sources.documents(consistency.check(tokenized).corpus)
    tokenized["tokens"]["tokenizer"]["kind"] = "word"
    with pytest.raises(
        UserError, match=r"tokens\.tokenizer\.kind is 'word', but the corpus is tokenized already"
    ):
        consistency.check(tokenized)
    tokenized["corpus"]["tokenized"]["shards"] = 3
    with pytest.raises(UserError, match=r"repository: the folder .*rows has no file document-00002\.bin"):
        consistency.check(tokenized)


def test_an_edited_shard_changes_the_fingerprint(tokenized, tmp_path):
    shards = consistency.check(tokenized).corpus.chosen.local_files
    before = external_files.content(shards)
    flip(tmp_path / "rows" / "document-00001.bin", 7)
    assert external_files.content(shards) != before


def test_the_rules_read_batches_in_place_of_documents(tokenized, tmp_path, warm_python):
    """Also with a pattern that Snakemake would take for a wildcard."""
    import yaml

    project = tmp_path / "project"
    project.mkdir()
    for name in ("Snakefile", "config.yaml", "workflow"):
        (project / name).symlink_to(ROOT / name)
    for number in range(2):
        (tmp_path / "rows" / f"document-{number:05d}.bin").rename(tmp_path / "rows" / f"rows-{number}.bin")
    tokenized["corpus"]["tokenized"]["files"] = "rows-{number}.bin"
    (project / "overlay.yaml").write_text(yaml.safe_dump(tokenized))

    def snakemake(*options: str) -> str:
        words = ["--cores", "1", *options, "results/tokens/batches.parquet", "--configfile", "overlay.yaml"]
        done = subprocess.run(
            [warm_python, "-m", "snakemake", *words],
            cwd=project,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    output = snakemake()
    assert "rule batches:" in output
    assert "rule corpus:" not in output
    assert "Nothing to be done" in snakemake("--dry-run")
    found = sorted(path.name for path in (project / "results" / "tokens").iterdir())
    stores = ["held_out.npy", "held_out.rows.parquet", "tokenizer.json", "train.npy", "train.rows.parquet"]
    records = ["tokenizer.json.made_by.json", "train.npy.made_by.json"]
    assert found == sorted(["batches.parquet", *stores, *records])
    assert np.load(project / "results" / "tokens" / "train.npy").shape == (15_360, 33)
    flip(tmp_path / "rows" / "rows-1.bin", 8)
    assert "rule batches:" in snakemake("--dry-run")
