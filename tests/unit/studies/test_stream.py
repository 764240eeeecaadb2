"""Influence along the training stream."""

import numpy as np
import pandas as pd
import pytest

from mda.studies.stream import table

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


def test_the_stream_is_cut_whole():
    scores = frame(np.abs(INFLUENCE))
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
        lines = table.stream(frame(generator.normal(size=1000)), curve, 10, 0.95)
        hits += [line["positive_share_low"] < 0.1 < line["positive_share_high"] for line in lines]
    assert 0.91 < np.mean(hits) < 0.98
