"""Factors and scores are those of kronfluence's own passes, in which every block stands alone."""

import kronfluence_own
import numpy as np
import pytest
import torch
from independent import KINDS, REPEATED, STORE, tiny

from mda.attribution import curvature, influence, passes, probes
from mda.models.units import Head, Neuron

UNITS = [Head(0, 0), Head(0, 1), Head(1, 2), Head(1, 3), Neuron(0, 3), Neuron(1, 1)]
ROWS = passes.Rows(STORE, np.arange(len(STORE)))
QUERIES = [
    influence.Query("heads", [Head(0, 1), Head(1, 2)], probes.load("induction"), REPEATED),
    influence.Query("early", [Head(0, 0)], probes.load("previous_token"), REPEATED),
    influence.Query("mixed", [Head(1, 3), Neuron(0, 3), Neuron(1, 1)], probes.load("induction"), REPEATED),
]


def both(kind):
    return (
        influence.Tracker(tiny(kind), UNITS, 5, QUERIES),
        kronfluence_own.Tracker(tiny(kind), UNITS, 5, QUERIES),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_those_of_kronfluence(kind):
    ours, theirs = both(kind)
    found, expected = ours.fit(ROWS, "ekfac", 3), theirs.fit(ROWS, "ekfac", 3)
    assert set(found) == set(expected)
    for unit, blocks in ours.blocks.items():
        for block, own in blocks.items():
            name = theirs.names[unit][block]
            for side, of in (("activation", own.read), ("gradient", own.written)):
                for factor in (f"{side}_covariance", f"{side}_eigenvalues"):
                    wanted = expected[factor][name]
                    tolerance = 1e-5 * float(wanted.abs().max())
                    torch.testing.assert_close(found[factor][of], wanted, rtol=1e-4, atol=tolerance)
                counted = f"num_{side}_covariance_processed"
                assert int(found[counted][of]) == int(expected[counted][name])
            # In bases that may differ by signs, and where eigenvalues are equal: their sum does not.
            total = expected["lambda_matrix"][name].sum()
            torch.testing.assert_close(found["lambda_matrix"][own.name].sum(), total, rtol=1e-4, atol=1e-5)
            assert int(found["num_lambda_processed"][own.name]) == len(STORE)


def test_what_heads_share_is_kept_once():
    ours, theirs = both("gpt_neox")
    found, expected = ours.fit(ROWS, "ekfac", 3), theirs.fit(ROWS, "ekfac", 3)
    assert len(expected["activation_covariance"]) == 4 * 3 + 2 * 2
    # What each layer's attention and MLP read, what four heads and two neurons put out.
    assert len(found["activation_covariance"]) == 2 + 2 + 4 + 2


@pytest.mark.parametrize("strategy", ["identity", "diagonal", "kfac", "ekfac"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_kronfluence(kind, strategy):
    ours, theirs = both(kind)
    factors = ours.fit(ROWS, strategy, 3)
    found = [parts for _, parts in ours.score(ROWS, factors, strategy, 0.1, 3)]
    positions = [parts for _, parts in ours.score(ROWS, factors, strategy, 0.1, 3, by_position=True)]
    with curvature.relative_damping(0.1):
        theirs_factors = theirs.fit(ROWS, strategy, 3)
        given = (ROWS, theirs_factors, strategy, None, 3)
        expected = [parts for _, parts in theirs.score(*given)]
        expected_positions = [parts for _, parts in theirs.score(*given, by_position=True)]
    pairs = zip([*found, *positions], [*expected, *expected_positions], strict=True)
    for ours_parts, wanted in pairs:
        assert set(wanted) == set(ours_parts) - {"loss"}
        for block, values in wanted.items():
            # Both in float32; eigenvectors of near-equal eigenvalues may mix.
            tolerance = (2e-3 if strategy in ("kfac", "ekfac") else 1e-5) * np.abs(values).max()
            np.testing.assert_allclose(ours_parts[block], values, rtol=1e-3, atol=tolerance)
