"""Models without some units: the same as with their columns of the output projection at zero."""

import pytest
import torch
from independent import HEADS, KINDS, NEURONS, SIZE, TOKENS, WEIGHTS, layer_of, tiny
from transformers.pytorch_utils import Conv1D

from mda.models import ablation
from mda.models.units import MLP, Attention, Head, Neuron

UNITS = [Head(0, 1), Head(1, 0), Head(1, 3), Neuron(0, 5), MLP(1)]


def columns(kind, model, unit):
    """The weights through which a unit writes, as a view of the model's own."""
    where = WEIGHTS[kind]
    heads = isinstance(unit, (Head, Attention))
    module = layer_of(model, unit.layer).get_submodule(where.output if heads else where.down)
    weight = module.weight.T if isinstance(module, Conv1D) else module.weight
    if isinstance(unit, (Attention, MLP)):
        return weight
    size = SIZE if heads else 1
    return weight[:, unit.number * size : (unit.number + 1) * size]


@pytest.mark.parametrize("kind", KINDS)
def test_without_units_is_without_their_columns_of_the_output_projection(kind):
    model, cut = tiny(kind), tiny(kind)
    with torch.no_grad():
        for unit in UNITS:
            columns(kind, cut, unit).zero_()
        before, expected = model(TOKENS).logits, cut(TOKENS).logits
        with ablation.zeroed(model, UNITS):
            torch.testing.assert_close(model(TOKENS).logits, expected, rtol=1e-5, atol=1e-5)
        assert (before - expected).abs().max() > 0.1
        # Nothing is left of it.
        assert torch.equal(model(TOKENS).logits, before)


@pytest.mark.parametrize("kind", ["gpt_neox", "llama"])
def test_without_a_head_that_writes_nothing_all_is_as_before(kind):
    model = tiny(kind)
    with torch.no_grad():
        columns(kind, model, Head(1, 2)).zero_()
        before = model(TOKENS).logits
        with ablation.zeroed(model, [Head(1, 2)]):
            assert torch.equal(model(TOKENS).logits, before)
        with ablation.zeroed(model, [Head(1, 1)]):
            assert not torch.equal(model(TOKENS).logits, before)


def test_a_whole_attention_is_all_of_its_heads():
    model = tiny("gpt_neox")
    found = []
    for units in ([Attention(0)], [Head(0, number) for number in range(HEADS)]):
        with torch.no_grad(), ablation.zeroed(model, units):
            found.append(model(TOKENS).logits)
    assert torch.equal(*found)


def test_others_are_as_many_in_the_same_layers_and_none_of_the_units():
    own = [Head(1, 0), Head(1, 3), Head(2, 5)]
    sets = ablation.others(own, [], 8, 12, seed=0)
    assert len(sets) == len(set(sets)) == 12
    for one in sets:
        assert sorted(head.layer for head in one) == [1, 1, 2]
        assert len(set(one)) == 3
        assert not set(one) & set(own)
    assert sets == ablation.others(own, [], 8, 12, seed=0) != ablation.others(own, [], 8, 12, seed=1)
    # All that there are, where there are few: two of one layer's four, by one of the other's three.
    assert len(ablation.others([Head(0, 1), Head(0, 2), Head(1, 0)], [], 6, 50, seed=0)) == 6 * 5
    assert ablation.others([Head(0, 1)], [], 2, 8, seed=0) == [(Head(0, 0),)]
    neurons = ablation.others([Neuron(0, 1)], [], NEURONS, 8, 0)
    assert all(type(unit) is Neuron for one in neurons for unit in one)


def test_where_a_layer_has_too_few_others_there_are_none():
    assert ablation.others([Head(0, 1), Head(0, 0), Head(1, 1)], [], 3, 8, seed=0) == []
    assert ablation.others([Attention(0)], [], 4, 8, seed=0) == []
    assert ablation.others([Attention(0), MLP(0)], [], 4, 8, seed=0) == []


def test_units_that_are_left_out_are_in_no_set():
    own, targets = [Head(0, 1)], [Head(0, 2), Head(1, 0), Neuron(0, 0), Attention(0)]
    assert ablation.others(own, targets, 4, 8, seed=0) == [(Head(0, 0),), (Head(0, 3),)]
    assert ablation.others(own, targets, 3, 8, seed=0) == [(Head(0, 0),)]
    assert ablation.others(own, [*targets, Head(0, 0)], 3, 8, seed=0) == []
