"""Agreement of scores, on scores whose agreement is known."""

import numpy as np
import pandas as pd
import pytest

from mda.evidence.studies import agreement

GENERATOR = np.random.default_rng(0)
INFLUENCE = GENERATOR.normal(size=1000)


def frame(influence):
    return pd.DataFrame(
        {
            "step": np.arange(len(influence)) // 10,
            "row": np.arange(len(influence)),
            "influence": influence,
            "label": "text",
        }
    )


def test_the_same_scores_agree_and_their_negative_does_not():
    others = {"strategy-kfac": {"unit": frame(2 * INFLUENCE)}, "seed-1": {"unit": frame(-INFLUENCE)}}
    same, opposite = agreement.variants({"unit": frame(INFLUENCE)}, others, 0.1, 0.95)
    assert (same["spearman"], same["overlap"], same["changed"]) == (pytest.approx(1), 1, "strategy")
    assert (opposite["spearman"], opposite["overlap"], opposite["changed"]) == (pytest.approx(-1), 0, "seed")
    assert same["chance"] == 0.1


def test_unrelated_units_overlap_by_chance():
    scores = {name: frame(GENERATOR.normal(size=4000)) for name in ("a", "b")}
    [line] = agreement.overlaps(scores, {"a": ["L0H0"], "b": ["L1H0"]}, {"a": "m", "b": "m"}, 0.1, 0.99)
    assert line["chance"] == pytest.approx(0.1 / 1.9)
    assert line["jaccard_low"] < line["chance"] < line["jaccard_high"]
    assert line["p"] > 0.01
    assert line["same_kind"]


def test_tops_of_one_label_have_more_in_common_by_chance():
    """Of tops that are all of a label of half the samples, twice as much is no more than chance."""
    labels = np.where(np.arange(4000) % 2, "tiled", "prose")
    scores = {
        name: frame(GENERATOR.normal(size=4000) + 100 * (labels == "tiled")).assign(label=labels)
        for name in ("a", "b")
    }
    [line] = agreement.overlaps(scores, {"a": ["L0H0"], "b": ["L1H0"]}, {"a": "m", "b": "m"}, 0.1, 0.99)
    assert line["chance"] == pytest.approx(0.2 / 1.8)
    assert line["jaccard_low"] < line["chance"] < line["jaccard_high"]
    assert line["p"] > 0.01


def test_the_jaccard_index_is_that_of_sets():
    one, other = GENERATOR.normal(size=(2, 200))
    other[:15] = one[:15] = 10 + np.arange(15)
    scores = {"a": frame(one), "b": frame(other)}
    [line] = agreement.overlaps(scores, {"a": ["L0H0"], "b": ["L1H0"]}, {"a": "m", "b": "n"}, 0.1, 0.95)
    tops = [set(np.argsort(-values)[:20]) for values in (one, other)]
    assert line["jaccard"] == pytest.approx(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
    assert line["p"] < 1e-6
    assert not line["same_kind"]


def test_the_stream_is_cut_whole():
    scores = frame(np.abs(INFLUENCE))
    curve = pd.DataFrame({"step": [0, 50, 100], "score": [0.0, 0.0, 1.0]})
    lines = agreement.stream(scores, curve, 10, 0.95)
    assert sum(line["samples"] for line in lines) == 1000
    assert sum(line["positive_share"] for line in lines) == pytest.approx(1)
    assert sum(line["gain"] for line in lines) == pytest.approx(1)
    assert [line["gain"] for line in lines[:5]] == pytest.approx([0] * 5)


def test_shares_of_the_stream_cover():
    curve = pd.DataFrame({"step": [0, 100], "score": [0.0, 1.0]})
    generator, hits = np.random.default_rng(0), []
    for _ in range(60):
        lines = agreement.stream(frame(generator.normal(size=1000)), curve, 10, 0.95)
        hits += [line["positive_share_low"] < 0.1 < line["positive_share_high"] for line in lines]
    assert 0.91 < np.mean(hits) < 0.98
