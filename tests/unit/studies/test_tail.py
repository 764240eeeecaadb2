"""How heavy a tail is, of scores whose distribution is known."""

import numpy as np
import pytest

from mda.studies.tail import table

GENERATOR = np.random.default_rng(0)


def test_the_tail_of_normal_scores_is_that_of_a_normal_distribution():
    for mean in (-0.5, 0.0, 0.5):
        values, one = GENERATOR.normal(mean, 1, 200_000), np.zeros(200_000)
        found, normal, excess = table.shares(values, one, 0.1)
        assert abs(excess) < 0.01, mean
        assert excess == found - normal
    assert table.normal_share([(1.0, 0.0, 1.0)], 0.1) == pytest.approx(0.4399, abs=1e-4)
    assert table.shares(GENERATOR.standard_t(3, 200_000), one, 0.1)[2] > 0.05


def test_labels_of_other_means_and_spreads_are_no_heavy_tail():
    labels = np.arange(300_000) % 3
    values = GENERATOR.normal(np.array([-1.0, 0.2, 2.0])[labels], np.array([0.3, 1.0, 0.0])[labels])
    assert abs(table.shares(values, labels, 0.1)[2]) < 0.01
    assert abs(table.shares(values, np.zeros(300_000), 0.1)[2]) > 0.02
