"""The smallest share with an effect."""

import numpy as np
import pandas as pd
import pytest

from mda.studies.dose import table


@pytest.mark.parametrize(("kind", "smallest"), [("replace", 0.05), ("duplicate", 0.2)])
def test_the_smallest_fraction_with_an_effect(kind, smallest):
    """It is told by the corrected p-value, and pushes as the intervention does."""
    cells = pd.DataFrame(
        {
            "selection": "influence-unit",
            "intervention": kind,
            "better": "lower",
            "fraction": [0.01, 0.02, 0.05, 0.2],
            "to_random": [2.0, 2.0, 2.0, -3.0],
            "to_random_q": [0.06, 0.5, 0.01, 0.01],
        }
    )
    assert table.smallest_fraction(cells, 0.95) == smallest
    assert np.isnan(table.smallest_fraction(cells.iloc[:2], 0.95))
