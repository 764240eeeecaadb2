"""Top samples that units have in common."""

import numpy as np
import pytest

from mda.evidence import ranked
from mda.studies.overlap import table

GENERATOR = np.random.default_rng(0)


def ranks(influence, labels=()):
    return ranked.of_array(influence, 0.1, labels or ["text"] * len(influence))


def test_unrelated_units_overlap_by_chance():
    scores = {name: ranks(GENERATOR.normal(size=4000)) for name in ("a", "b")}
    [line] = table.overlaps(scores, {"a": ["L0H0"], "b": ["L1H0"]}, {"a": "m", "b": "m"}, 0.99)
    assert line["chance"] == pytest.approx(0.1 / 1.9)
    assert line["jaccard_low"] < line["chance"] < line["jaccard_high"]
    assert line["p"] > 0.01
    assert line["same_kind"]


def test_tops_of_one_label_have_more_in_common_by_chance():
    """Of tops that are all of a label of half the samples, twice as much is no more than chance."""
    labels = np.where(np.arange(4000) % 2, "tiled", "prose")
    scores = {
        name: ranks(GENERATOR.normal(size=4000) + 100 * (labels == "tiled"), labels.tolist())
        for name in ("a", "b")
    }
    [line] = table.overlaps(scores, {"a": ["L0H0"], "b": ["L1H0"]}, {"a": "m", "b": "m"}, 0.99)
    assert line["chance"] == pytest.approx(0.2 / 1.8)
    assert line["jaccard_low"] < line["chance"] < line["jaccard_high"]
    assert line["p"] > 0.01


def test_the_jaccard_index_is_that_of_sets():
    one, other = GENERATOR.normal(size=(2, 200))
    other[:15] = one[:15] = 10 + np.arange(15)
    scores = {"a": ranks(one), "b": ranks(other)}
    [line] = table.overlaps(scores, {"a": ["L0H0"], "b": ["L1H0"]}, {"a": "m", "b": "n"}, 0.95)
    tops = [set(np.argsort(-values)[:20]) for values in (one, other)]
    assert line["jaccard"] == pytest.approx(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
    assert line["p"] < 1e-6
    assert not line["same_kind"]
