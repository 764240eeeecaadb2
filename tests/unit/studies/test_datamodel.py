"""The linear datamodelling score, of scores whose worth is known."""

import numpy as np
import pytest

from mda.studies.datamodel import table

GENERATOR = np.random.default_rng(0)


def test_the_datamodelling_score_finds_the_truth_and_not_noise():
    candidates = GENERATOR.permutation(500)
    effect = dict(zip(candidates.tolist(), GENERATOR.normal(size=500), strict=True))
    left_out = [GENERATOR.choice(candidates, 250, replace=False) for _ in range(40)]
    actual = [
        sum(effect[row] for row in candidates.tolist() if row not in set(rows.tolist())) for rows in left_out
    ]
    outcomes = dict.fromkeys(table.OUTCOMES, np.array([actual, actual]).T)
    truth = np.array([effect[row] for row in candidates.tolist()])
    values = {"truth": truth, "opposite": -truth, "noise": GENERATOR.normal(size=500)}
    found = {line["method"]: line for line in table.scores(outcomes, left_out, candidates, values, 0.9999)}
    assert found["truth"]["lds"] == pytest.approx(1)
    assert found["opposite"]["lds"] == pytest.approx(-1)
    assert found["noise"]["lds_low"] < 0 < found["noise"]["lds_high"]
    assert (found["truth"]["subsets"], found["truth"]["orders"]) == (40, 2)
    assert found["truth"]["ceiling"] == pytest.approx(1)


def test_a_ceiling_is_the_correlation_that_knowing_the_truth_would_have():
    truth = GENERATOR.normal(size=4000)
    runs = truth[:, None] + GENERATOR.normal(size=(4000, 3))
    ceiling = np.sqrt(table.reliability(runs))
    assert ceiling == pytest.approx(np.corrcoef(truth, runs.mean(axis=1))[0, 1], abs=0.02)
    assert np.isnan(table.reliability(runs[:, :1]))
    assert abs(table.reliability(GENERATOR.normal(size=(4000, 2)))) < 0.1
