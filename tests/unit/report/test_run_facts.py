"""The first screen: what was asked in plain words, and when, where and with what it was run."""

import json
import os
import platform

import pytest

from mda.config.experiment import Config
from mda.report import asked, run_facts
from mda.runtime import files, usage

# 1 March 2026, 12:00 UTC.
NOON = 1772366400


@pytest.fixture
def run(tmp_path):
    """Two jobs, of a minute and of two hours, the last ended an hour after noon."""
    for name, seconds, ended, said in (
        ("tokens", 60.0, NOON, usage.MEMORY.format(900)),
        ("retrain/base/seed-0", 7200.0, NOON + 3600, f"{usage.GPU_MEMORY.format(41000)} (NVIDIA H100)\n"),
    ):
        benchmark, log = tmp_path / "benchmarks" / f"{name}.jsonl", tmp_path / "logs" / f"{name}.log"
        for path in (benchmark, log):
            path.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(json.dumps({"s": seconds, "max_rss": 500.0}) + "\n")
        log.write_text(said)
        os.utime(benchmark, (ended, ended))
    return tmp_path


def test_a_run_is_told_with_its_dates_its_computing_and_its_gpu(run):
    told = run_facts.facts(run / "benchmarks", run / "logs")
    assert told["Run"] == (
        "1 March 2026, 11:00 to 13:00 UTC, by the dates of its files: 2 jobs, 2.0 hours of "
        "computing added up over jobs, 0.9 GB of memory of one job at most, 41.0 GB of GPU memory of one "
        "job at most (NVIDIA H100)"
    )


def test_the_page_says_where_it_was_made_and_by_what(run, monkeypatch):
    monkeypatch.setattr(files, "_made_by", {"mda": "9.9", "packages": {"torch": "2.0", "numpy": "1"}})
    told = run_facts.facts(run / "nothing", run / "logs")
    assert set(told) == {"This page"}
    assert told["This page"].endswith(f"; mda 9.9, torch 2.0, Python {platform.python_version()}")
    assert " UTC on " in told["This page"] and " core" in told["This page"]


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("L1H0", "head 0 of layer 1"),
        ("L2N37", "neuron 37 of layer 2"),
        ("L0.attention", "all heads of layer 0"),
        ("L3.mlp", "all neurons of layer 3"),
        ("induction 1", "induction 1"),
    ],
)
def test_a_place_in_words(unit, words):
    assert asked.place(unit) == words


def test_many_places_are_named_by_their_short_names(default):
    config = Config.model_validate(default)
    one = config.targets[0]
    targets = [one.model_copy(update={"name": name, "units": of}) for name, of in UNITS.items()]
    config = config.model_copy(update={"targets": targets})
    many = [f"L0H{number}" for number in range(5)]
    told = asked.units(config, {"few": ["L1H0"], "third": ["L1H1"], "class": many, "place": ["L0H1"]})
    assert told == (
        "few: head 0 of layer 1 (L1H0), the strongest induction head at step 240; "
        "third: head 1 of layer 1 (L1H1), the copying head of rank 3 by strength at step 240; "
        "class (L0H0, L0H1, L0H2, L0H3, L0H4), all induction heads with a score above 0.3 at step 240; "
        "place: head 1 of layer 0 (L0H1). Layers, heads and neurons are counted from 0"
    )


UNITS = {"few": ["induction 1"], "third": ["copying 3"], "class": ["induction > 0.3"], "place": ["L0H1"]}


def test_each_label_of_a_made_up_corpus_is_explained_and_a_corpus_of_files_is_named(default, tmp_path):
    sources = default["corpus"]["synthetic"]["sources"]
    sources[0]["share"] = 0.3
    sources.append({"label": "decoy", "kind": "tiled", "share": 0.2, "motif": [32, 32]})
    config = Config.model_validate(default)
    kinds = asked.kinds_of_document(config)
    assert list(kinds) == ["prose", "tiled", "decoy"]
    assert "each word depends on the one before" in kinds["prose"]
    assert kinds["tiled"].startswith("50 % of the documents: one random motif of 4 to 12 words, repeated")
    assert kinds["decoy"] == "20 % of the documents: words at random, in which nothing long repeats"
    assert all(label in asked.corpus(config) for label in kinds)
    files_of = {
        "root": str(tmp_path), "patterns": [{"label": "tiled", "glob": "*"}], "exclude": [],
        "undecodable": "skip", "max_characters": 10,
    }  # fmt: skip
    default["corpus"] |= {"source": "files", "files": files_of}
    config = Config.model_validate(default)
    assert asked.corpus(config) == f"files: {tmp_path}"
    assert asked.kinds_of_document(config) == {}


def test_every_metric_is_told_by_its_meaning(default):
    config = Config.model_validate(default)
    assert asked.metrics(config).startswith("Prefix-matching score: mean attention to the token after")
    target = config.targets[0]
    for name in ("previous_token", "copying", "activation", "best_previous_token"):
        assert len(asked.metric(config, target.model_copy(update={"metric": name}))) > 30
    assert "second showing" in asked.metric(config, target.model_copy(update={"metric": "probe"}))


def test_what_is_changed_is_counted_in_samples(default):
    default["run"]["window"] |= {"start": 60, "stop": 240}
    default["run"]["batch_size"] = 64
    assert asked.changed(Config.model_validate(default)) == (
        "steps 60 to 239, 11,520 samples; “the samples of highest influence”, or “top samples”, are 10 % of "
        "them, 1,152 samples, unless another share is named"
    )
