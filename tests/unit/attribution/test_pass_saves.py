"""A pass over samples that is killed goes on from its last save, to the same numbers."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from conftest import NUMERICS, Store, tiny_model
from tokenizers import Tokenizer, models

from mda.attribution import curvature, factor_files, influence, pass_saves, passes, probes
from mda.attribution.pass_saves import PassSaves
from mda.config import sections, unit_sections
from mda.models.units import Head
from mda.runtime import files, parquet
from mda.steps.attribution import store_gradients, stored_directions, token_influence, traced_rows

STORE = Store(np.random.default_rng(0).integers(0, 20, (23, 9)))
ROWS = passes.Rows(STORE, np.random.default_rng(1).permutation(23))
TOKENS = torch.from_numpy(np.random.default_rng(2).integers(0, 20, (3, 8)))
QUERIES = [
    influence.Query("first", [Head(1, 0)], probes.induction, TOKENS),
    influence.Query("second", [Head(0, 1)], probes.previous_token, TOKENS),
]
AT_ONCE = 4


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def tracker():
    return influence.Tracker(tiny_model(), [Head(0, 1), Head(1, 0)], 5, QUERIES)


@pytest.fixture(scope="module")
def factors(tracker):
    return tracker.fit(ROWS, "ekfac", AT_ONCE)


def scored(tracker, factors, saved=None):
    found = tracker.score(ROWS, factors, "ekfac", 0.1, AT_ONCE, saved=saved)
    return {(query.target, name): values for query, parts in found for name, values in parts.items()}


def killed_at(monkeypatch, batch):
    """Let a pass end at a batch, from 0 on; returns the numbers of rows of the batches that were begun."""
    begun, work = [], passes._batch

    def counted(model, seen, store, rows, *others):
        begun.append(len(rows))
        if len(begun) == batch + 1:
            raise Killed
        return work(model, seen, store, rows, *others)

    monkeypatch.setattr(passes, "_batch", counted)
    return begun


@pytest.mark.parametrize("batch", [0, 3, 5])
def test_a_killed_pass_goes_on_to_the_same_bits(tmp_path, tracker, factors, batch, monkeypatch):
    whole = scored(tracker, factors)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(patch, batch)
        scored(tracker, factors, PassSaves(tmp_path / "resume", 0))
    begun = killed_at(monkeypatch, math.inf)
    saved = PassSaves(tmp_path / "resume", 0)
    again = scored(tracker, factors, saved)
    assert begun == [4, 4, 4, 4, 4, 3][batch:]
    assert again.keys() == whole.keys()
    for name, values in whole.items():
        assert np.array_equal(again[name], values), name
    saved.forget()
    assert list(tmp_path.iterdir()) == []


def test_it_saves_no_sooner_than_it_is_told(tmp_path, tracker, factors, monkeypatch):
    scored(tracker, factors, PassSaves(tmp_path / "resume", 3600))
    assert list(tmp_path.iterdir()) == []
    # But for what would be too much to hold: a row has its loss and a part for each query and kind of block.
    monkeypatch.setattr(pass_saves, "MOST_HELD", 2 * AT_ONCE * (1 + 2 * 3) * 4)
    scored(tracker, factors, saved := PassSaves(tmp_path / "resume", 3600))
    assert sorted(path.name for path in saved.folder.iterdir()) == ["0-8.npz", "8-16.npz"]


def test_saves_of_two_processes_are_read_as_one_pass(tmp_path):
    """Whatever their lengths: each row once, in order, and what leads to nothing is left out."""
    saved = PassSaves(tmp_path, 0)
    for begin, end in ((0, 4), (0, 8), (4, 8), (4, 12), (8, 16), (20, 23)):
        saved._save(begin, [(torch.arange(begin, end),)])
    done = []

    def rest(rows):
        done.append(len(rows))
        return [(torch.arange(16, 23),)]

    found = torch.cat([batch for (batch,) in saved.resumed(ROWS, rest)])
    assert (found.tolist(), done) == (list(range(23)), [7])


def test_other_settings_read_no_saves(tmp_path, monkeypatch):
    PassSaves(tmp_path, 0)._save(0, [(torch.zeros(4),)])
    monkeypatch.setattr(files, "_made_by", {"parameters": "others"})
    assert list(PassSaves(tmp_path, 0)._saved()) == []


FIT = sections.Fit(strategy="ekfac", samples=23, samples_per_part=23, seed=5, batch_size=AT_ONCE)
TARGETS = [
    unit_sections.Target(name=name, units=[unit], probe=name, mode="qkvo", metric="prefix_matching")
    for name, unit in (("first", "L1H0"), ("second", "L0H1"))
]
PROBES = {
    target.name: unit_sections.Probe(measure=measure, tokens="repeated", length=8, sequences=3, seed=1)
    for target, measure in zip(TARGETS, ("induction", "previous_token"), strict=True)
}


@pytest.fixture(scope="module")
def inputs(factors, tmp_path_factory):
    """A folder with what the steps read."""
    folder = tmp_path_factory.mktemp("inputs")
    tiny_model().save_pretrained(folder / "checkpoint")
    np.save(folder / "train.npy", STORE.tokens.astype(np.uint16))
    words = {f"w{number}": number for number in range(20)}
    Tokenizer(models.WordLevel(words, unk_token="w1")).save(str(folder / "tokenizer.json"))
    files.write_json(folder / "units.json", {"units": ["L0H1", "L1H0"]})
    places = {target.name: {"units": target.units} for target in TARGETS}
    files.write_json(folder / "targets.json", {"targets": places})
    factor_files.write(folder / "factors", factor_files.to_arrays(curvature.flatten(factors)))
    stored_directions.choose(folder / "factors", 100, folder / "directions.parquet")
    traced_rows.plan(folder / "train.npy", 1, None, folder / "order.parquet")
    columns = {
        "row": np.arange(23),
        "step": np.zeros(23, int),
        "label": ["a"] * 23,
        "loss": np.ones(23, "f4"),
    }
    scores = {"target": ["first"] * 23 + ["second"] * 23, "influence": np.sin(np.arange(46)).astype("f4")}
    scores |= {name: np.concatenate([values, values]) for name, values in columns.items()}
    parquet.write_table(folder / "scores.parquet", scores)
    return folder


def stored(inputs, folder):
    names = ("checkpoint", "train.npy", "order.parquet", "units.json", "factors", "directions.parquet")
    outputs = (folder / "0.npy", folder / "0.parquet")
    read = (inputs / name for name in names)
    store_gradients.store(*read, FIT, NUMERICS, (0, 1), 23, 0, 0, folder / "resume", *outputs)
    return outputs


def by_token(inputs, folder):
    """Of each target four batches."""
    checkpoint, tokenizer, train, targets, fitted, scores = (
        inputs / name
        for name in (
            "checkpoint", "tokenizer.json", "train.npy", "targets.json", "factors", "scores.parquet",
        )
    )  # fmt: skip
    out = folder / "tokens.parquet"
    token_influence.score(
        *(checkpoint, tokenizer, train, targets, [fitted], scores, FIT, 0.1, None, NUMERICS, 8),
        *(TARGETS, PROBES, [], 4, 0, folder / "resume", out),
    )
    return [out]


@pytest.mark.parametrize(
    ("step", "batch", "left"),
    [
        (stored, 4, [4, 3]),
        (by_token, 2, [4] * 6),
        # Amid the second target.
        (by_token, 5, [4] * 3),
    ],
)
def test_a_killed_step_goes_on_to_the_same_files(tmp_path, inputs, step, batch, left, monkeypatch):
    whole = step(inputs, tmp_path / "whole")
    again = partial(step, inputs, tmp_path / "again")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(patch, batch)
        again()
    begun = killed_at(monkeypatch, math.inf)
    made = again()
    assert begun == left
    for one, two in zip(whole, made, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
    assert sorted((tmp_path / "again").iterdir()) == sorted(made)


def test_a_part_of_a_save_is_not_taken_for_whole(tmp_path, inputs, monkeypatch):
    """What a killed process was writing has another name."""
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(patch, 3)
        stored(inputs, tmp_path)
    [folder] = (tmp_path / "resume").iterdir()
    last = folder / "8-12.npz"
    last.rename(folder / f".{last.name}.0123abcd.part")
    begun = killed_at(monkeypatch, math.inf)
    made, _ = stored(inputs, tmp_path)
    assert (begun, len(np.load(made))) == ([4, 4, 4, 3], 23)
