"""The tests that were planned, corrected for their own number."""

import numpy as np
import pytest

from mda.evidence import planned_tests


def test_tests_that_are_not_there_do_not_count():
    assert planned_tests.corrected({"removal": 0.02, "duplication": np.nan}) == {"removal": 0.02}
    assert planned_tests.corrected(
        {"removal": 0.02, "duplication": 0.5, "augmentation": 0.03}
    ) == pytest.approx({"removal": 0.06, "duplication": 0.5, "augmentation": 0.06})
