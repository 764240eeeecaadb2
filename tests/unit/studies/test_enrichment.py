"""Labels and features of samples."""

from collections import Counter

import numpy as np
import pytest

from mda.studies.enrichment import table as enrichment

GENERATOR = np.random.default_rng(0)


def test_features_see_what_they_are_called_after():
    tiled, prose = np.tile([3, 1, 4, 1, 5, 9], 6), np.arange(36)
    texts = ["<a>{b}[c](d)", "plain words"]
    measured = dict(
        zip(enrichment.FEATURES, enrichment.measure(np.stack([tiled, prose]), texts).T, strict=True)
    )
    assert measured["longest repeat (tokens)"].tolist() == [30, 0]
    for name in ("compressibility", "repeated bigrams", "bracket density", "markup density"):
        assert measured[name][0] > measured[name][1], name


def test_labels_are_held_against_their_rate():
    everything = Counter({"a": 800, "b": 200})
    rows = {line["name"]: line for line in enrichment.labels(Counter({"b": 50, "a": 50}), everything, 0.95)}
    assert rows["b"]["ratio"] == pytest.approx(2.5)
    assert rows["b"]["ratio_low"] > 1 > rows["a"]["ratio_high"]
    assert rows["b"]["p"] < 1e-6


def test_features_of_the_same_samples_show_nothing():
    values = GENERATOR.normal(size=(300, len(enrichment.FEATURES)))
    for line in enrichment.features(values[:150], values[150:], 0.9999):
        assert line["auroc_low"] < 0.5 < line["auroc_high"]
