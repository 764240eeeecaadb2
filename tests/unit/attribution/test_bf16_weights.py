"""A model whose weights are in bf16: half the memory, and scores equal but for rounding."""

import numpy as np
import pytest
import torch
from independent import HEADS, KINDS, REPEATED, STORE, tiny
from scipy.stats import spearmanr

from mda.attribution import influence, probes
from mda.models import memory
from mda.models import model as models
from mda.models.units import Head

UNITS = [Head(layer, head) for layer in range(2) for head in range(HEADS)]
ROWS = influence.Rows(STORE, np.arange(len(STORE)))
QUERIES = [influence.Query(str(unit), [unit], probes.induction, REPEATED) for unit in UNITS]


def tracked(model, precision):
    return influence.Tracker(model, UNITS, 0, QUERIES, precision)


def scores(tracker, factors, strategy):
    found = tracker.score(ROWS, factors, strategy, 0.1, 3)
    return np.array([sum(parts[part] for part in ("qk", "v", "o")) for _, parts in found])


@pytest.fixture(params=KINDS)
def stored(request, tmp_path):
    """A checkpoint whose weights bf16 holds exactly, so that what is compared are the passes."""
    model = tiny(request.param).to(torch.bfloat16).to(torch.float32)
    models.save(model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.mark.parametrize("strategy", ["identity", "ekfac"])
def test_scores_follow_those_in_float32(stored, strategy):
    exact = models.load(stored, "sdpa")
    rough = models.load(stored, "sdpa", "bf16_weights")
    assert {parameter.dtype for parameter in rough.parameters()} == {torch.bfloat16}
    exact, rough = tracked(exact, "fp32"), tracked(rough, "bf16_weights")
    # The same for both: labels are drawn for them, and of so few rows one that rounding changes would show.
    factors = exact.fit(ROWS, strategy, 3)
    expected, found = (scores(tracker, factors, strategy) for tracker in (exact, rough))
    assert found.dtype == np.float32
    agreed = [spearmanr(mine, its).statistic for mine, its in zip(found, expected, strict=True)]
    assert np.median(agreed) > 0.9
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_factors_are_float32_and_as_large(stored):
    exact, rough = (
        tracked(models.load(stored, "sdpa", precision), precision).covariances(ROWS, 3)
        for precision in ("fp32", "bf16_weights")
    )
    for name, tensors in exact.items():
        for key, tensor in tensors.items():
            assert rough[name][key].dtype == tensor.dtype
    # Those of gradients are of labels that are drawn.
    for key, tensor in exact["activation_covariance"].items():
        found = rough["activation_covariance"][key]
        assert (found - tensor).norm() < 3e-2 * tensor.norm()


def test_rotary_angles_stay_in_float32(stored):
    """In bf16 the positions of a long text would be told apart no more."""
    rough = models.load(stored, "sdpa", "bf16_weights")
    assert all(buffer.dtype != torch.bfloat16 for buffer in rough.buffers())


def test_a_row_takes_half_the_memory_and_that_of_the_layers_above_its_targets(stored):
    exact, rough = models.load(stored, "sdpa"), models.load(stored, "sdpa", "bf16_weights")
    assert memory.row_bytes(rough, 10) * 2 == memory.row_bytes(exact, 10)
    one, both = (memory.row_bytes(exact, 10, logits=False, layers=layers) for layers in (1, 2))
    assert both == memory.row_bytes(exact, 10, logits=False) == 2 * one
