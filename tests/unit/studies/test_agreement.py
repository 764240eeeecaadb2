"""Agreement of variants, on scores whose agreement is known."""

import numpy as np
import pandas as pd
import pytest

from mda.studies.agreement import table

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
    same, opposite = table.variants({"unit": frame(INFLUENCE)}, others, 0.1, 0.95)
    assert (same["spearman"], same["overlap"], same["changed"]) == (pytest.approx(1), 1, "strategy")
    assert (opposite["spearman"], opposite["overlap"], opposite["changed"]) == (pytest.approx(-1), 0, "seed")
    assert same["chance"] == 0.1
