"""Influence by position: it sums to the sample's, and each position has what autograd gives it."""

import independent
import numpy as np
import pytest
import torch
from conftest import tiny_model
from independent import KINDS, REPEATED, STORE, tiny
from torch.nn import functional
from unit.attribution.test_influence import QUERIES, TARGETS

from mda.attribution import influence
from mda.models.units import Head, Neuron

UNITS = [Head(0, 1), Head(1, 2), Neuron(0, 3)]
ROWS = influence.Rows(STORE, np.arange(len(STORE)))


def likely(model, tokens, units):
    """A probe to which every block of every unit matters: how well the tokens are predicted."""
    del units
    logits = model(tokens).logits[:, :-1].transpose(1, 2)
    return -functional.cross_entropy(logits, tokens[:, 1:], reduction="sum")


def queries(*members):
    return [influence.Query(str(unit), [unit], likely, REPEATED) for unit in members or UNITS]


def both(kind, strategy, asked, batch_size=3):
    """Scores of the samples and of their positions, from one tracker."""
    tracker = influence.Tracker(tiny(kind), [query.units[0] for query in asked], 5, asked)
    factors = tracker.fit(ROWS, strategy, batch_size)
    given = (ROWS, factors, strategy, 0.1, batch_size)
    whole = {query.target: parts for query, parts in tracker.score(*given)}
    return whole, {query.target: parts for query, parts in tracker.score(*given, by_position=True)}


@pytest.mark.parametrize("strategy", ["identity", "diagonal", "kfac", "ekfac"])
@pytest.mark.parametrize("kind", ["gpt_neox", "llama"])
def test_positions_sum_to_the_sample(kind, strategy):
    whole, positions = both(kind, strategy, queries())
    assert set(positions) == {str(unit) for unit in UNITS}
    for target, parts in positions.items():
        assert set(parts) == set(whole[target]) - {"loss"}
        for block, values in parts.items():
            assert values.shape == (len(STORE), STORE.tokens.shape[1] - 1)
            assert values.dtype == np.float32
            # Float32 rounding of the sum, whose terms may cancel.
            tolerance = 1e-5 * np.abs(values).sum(axis=1).max()
            np.testing.assert_allclose(values.sum(axis=1), whole[target][block], rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_each_position_has_the_gradient_that_autograd_gives_it(kind):
    asked = queries()
    _, positions = both(kind, "identity", asked)
    model = tiny(kind)
    for query in asked:
        (ascent,) = independent.gradients(
            kind, model, query.units, query.probe(model, query.tokens, query.units)
        )
        assert_by_position(kind, model, query, ascent, positions[query.target], 1e-4)


@pytest.mark.parametrize("kind", ["gpt_neox", "qwen3"])
def test_each_position_is_preconditioned_as_a_dense_computation_says(kind):
    (query,) = queries(Head(1, 2))
    _, positions = both(kind, "ekfac", [query])
    directions = independent.dense_directions(kind, query)
    # kronfluence works in float32, and eigenvectors of near-equal eigenvalues may mix.
    assert_by_position(kind, tiny(kind, torch.float64), query, directions, positions[query.target], 5e-3)


def assert_by_position(kind, model, query, directions, found, tolerance):
    for row, tokens in enumerate(torch.from_numpy(STORE.take(np.arange(len(STORE))))):
        (descents,) = independent.gradients_by_position(kind, model, query.units, tokens)
        for block, direction in directions.items():
            expected = -(descents[block] * direction).sum(dim=(1, 2)).detach().numpy()
            # Compared with the largest: a position may count next to nothing.
            assert np.abs(expected).max() > 0
            off = np.abs(found[block][row] - expected).max()
            assert off < tolerance * np.abs(expected).max(), (block, row)


def test_several_targets_and_units_have_their_own_positions(store):
    """Of small GPT-NeoX: tracked together or alone, whatever the batch size."""
    rows = influence.Rows(store, np.arange(len(store)))
    found = []
    for heads, batch_size in ((TARGETS, 4), ([Head(0, 0), *TARGETS], 5)):
        tracker = influence.Tracker(tiny_model(), heads, 5, QUERIES)
        factors = tracker.fit(rows, "ekfac", 4)
        found.append(
            {
                q.target: parts
                for q, parts in tracker.score(rows, factors, "ekfac", 0.1, batch_size, by_position=True)
            }
        )
    for target, parts in found[0].items():
        for block, values in parts.items():
            tolerance = 1e-5 * np.abs(values).max()
            np.testing.assert_allclose(found[1][target][block], values, rtol=1e-4, atol=tolerance)
