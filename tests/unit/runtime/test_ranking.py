"""Places of numbers that are read in parts, against scipy."""

import numpy as np
import pytest
from scipy import stats

from mda.runtime import ranking


@pytest.mark.parametrize("cuts", [[], [1, 2, 3], [4], [2, 6], [1, 5, 9]])
def test_equal_numbers_have_the_same_places_however_they_are_cut(cuts):
    numbers = np.array([5.0, 5, 5, 3, 3, 0.0, -0.0, 0.0, -1, -1])
    parts = np.split(numbers, cuts)
    first, stop = map(np.concatenate, zip(*ranking.places(lambda: iter(parts)), strict=True))
    assert first.tolist() == (stats.rankdata(-numbers, "min") - 1).tolist()
    assert stop.tolist() == stats.rankdata(-numbers, "max").tolist()
