"""A pass over samples that is killed goes on from its last save, to the same numbers."""

import math

import numpy as np
import pytest
import torch
from conftest import Store, tiny_model

from mda.attribution import influence, passes, probes
from mda.attribution.pass_saves import PassSaves
from mda.models.units import Head
from mda.runtime import files

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


def test_it_saves_no_sooner_than_it_is_told(tmp_path, tracker, factors):
    scored(tracker, factors, PassSaves(tmp_path / "resume", 3600))
    assert list(tmp_path.iterdir()) == []


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
