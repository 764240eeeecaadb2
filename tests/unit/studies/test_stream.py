"""Influence along the training stream."""

import numpy as np
import pandas as pd
import pytest

from mda.studies.stream import table

GENERATOR = np.random.default_rng(0)
INFLUENCE = GENERATOR.normal(size=1000)


def parts(influence):
    """Samples of a run, in two parts."""
    scores = pd.DataFrame(
        {
            "step": np.arange(len(influence)) // 10,
            "row": np.arange(len(influence)),
            "influence": influence,
            "label": "text",
        }
    )
    return lambda: iter([scores[:333], scores[333:]])


def test_the_stream_is_cut_whole():
    scores = parts(np.abs(INFLUENCE))
    curve = pd.DataFrame({"step": [0, 50, 100], "score": [0.0, 0.0, 1.0]})
    lines = table.stream(scores, curve, 10, 0.95)
    assert sum(line["samples"] for line in lines) == 1000
    assert sum(line["positive_share"] for line in lines) == pytest.approx(1)
    assert sum(line["gain"] for line in lines) == pytest.approx(1)
    assert [line["gain"] for line in lines[:5]] == pytest.approx([0] * 5)


def test_shares_of_the_stream_cover():
    curve = pd.DataFrame({"step": [0, 100], "score": [0.0, 1.0]})
    generator, hits = np.random.default_rng(0), []
    for _ in range(60):
        lines = table.stream(parts(generator.normal(size=1000)), curve, 10, 0.95)
        hits += [line["positive_share_low"] < 0.1 < line["positive_share_high"] for line in lines]
    assert 0.91 < np.mean(hits) < 0.98


def test_each_interval_is_that_of_its_samples():
    curve = pd.DataFrame({"step": [0, 100], "score": [0.0, 1.0]})
    lines = table.stream(parts(INFLUENCE), curve, 7, 0.95)
    for line in lines:
        mine = INFLUENCE[10 * line["start"] : 10 * line["stop"]]
        half = 1.959964 * mine.std(ddof=1) / np.sqrt(len(mine))
        found = (line["samples"], line["mean"], line["mean_high"])
        assert found == pytest.approx((len(mine), mine.mean(), mine.mean() + half))
        gained = mine.clip(0)
        doubt = 1.959964 * gained.std(ddof=1) * np.sqrt(len(mine)) / INFLUENCE.clip(0).sum()
        assert line["positive_share"] == pytest.approx(gained.sum() / INFLUENCE.clip(0).sum())
        assert line["positive_share_high"] - line["positive_share"] == pytest.approx(doubt)
