"""What heads attend to: held against attention that is computed from the weights alone."""

import independent
import numpy as np
import pytest
import torch
from independent import HEADS, SIZE, STORE, tiny

from mda.attribution import attention
from mda.corpus.tokens import TokenStore
from mda.models.units import MLP, Attention, Head, Neuron
from mda.runtime import files

ROWS = np.array([4, 0, 2])


@pytest.fixture
def store(tmp_path):
    files.write_array(tmp_path / "train.npy", STORE.tokens.astype(np.uint16))
    return TokenStore(tmp_path / "train.npy")


def patterns(kind, tokens):
    """The second layer's attention, (heads, T, T), in float64, from its weights and what it reads."""
    model = tiny(kind, torch.float64)
    layer = independent.layer_of(model, 1)
    with torch.no_grad():
        read = model(tokens[None], output_hidden_states=True).hidden_states[1][0]
        length = len(tokens)
        if kind == "gpt2":
            read = layer.ln_1(read)
            fused = read @ layer.attn.c_attn.weight + layer.attn.c_attn.bias
            query, key, _ = (part.unflatten(-1, (HEADS, SIZE)).transpose(0, 1) for part in fused.chunk(3, -1))
        else:
            read, weights = layer.input_layernorm(read), layer.self_attn
            query = weights.q_proj(read).unflatten(-1, (HEADS, SIZE)).transpose(0, 1)
            shared = weights.k_proj(read).unflatten(-1, (2, SIZE)).transpose(0, 1)
            key = shared.repeat_interleave(2, dim=0)
            # Rotary positions (Su et al. 2021, arXiv 2104.09864): pairs (i, i + SIZE / 2) as complex numbers.
            angles = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, SIZE, 2).double() / SIZE)
            turn = torch.polar(torch.ones_like(angles), angles)
            query, key = (
                torch.view_as_real(torch.complex(*part.chunk(2, -1)) * turn).transpose(-1, -2).flatten(-2)
                for part in (query, key)
            )
        products = query @ key.transpose(-1, -2) / SIZE**0.5
        later = torch.ones(length, length).triu(1).bool()
        return products.masked_fill(later, -torch.inf).softmax(-1).numpy()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_attention_and_losses_are_those_of_the_weights(kind, store):
    units = [Head(1, 2), Neuron(0, 3)]
    found = list(attention.passes(tiny(kind), units, store, ROWS))
    assert len(found) == len(ROWS)
    for row, (pattern, losses) in zip(torch.from_numpy(STORE.take(ROWS)), found, strict=True):
        np.testing.assert_allclose(pattern, patterns(kind, row[:-1])[2], atol=1e-5)
        logits = tiny(kind, torch.float64)(row[None, :-1]).logits[0].detach()
        expected = -logits.log_softmax(-1)[torch.arange(len(row) - 1), row[1:]].numpy()
        np.testing.assert_allclose(losses, expected, atol=1e-4)


@pytest.mark.parametrize("kind", independent.KINDS)
def test_several_heads_count_alike_and_a_whole_attention_is_its_heads(kind, store):
    row = torch.from_numpy(STORE.take(ROWS[:1]))[0, :-1]
    # By a way of transformers' own, of all layers at once.
    first, second = (
        layer[0].detach().numpy() for layer in tiny(kind)(row[None], output_attentions=True).attentions
    )
    for units, expected in (
        ([Head(0, 1), Head(1, 2), Head(1, 3)], (first[1] + second[2] + second[3]) / 3),
        ([Attention(1)], second.mean(axis=0)),
        ([Attention(1), Head(0, 0)], (second.sum(axis=0) + first[0]) / (HEADS + 1)),
    ):
        [(pattern, _)] = attention.passes(tiny(kind, attention="sdpa"), units, store, ROWS[:1])
        np.testing.assert_allclose(pattern, expected, atol=1e-5)


@pytest.mark.parametrize("units", [[Neuron(0, 1)], [MLP(1)]])
def test_neurons_attend_to_nothing(units, store):
    [(pattern, losses)] = attention.passes(tiny("gpt_neox"), units, store, ROWS[:1])
    assert pattern is None and losses.shape == (10,)


def test_what_fills_a_row_up_is_not_attended_to(store, tmp_path):
    whole = list(attention.passes(tiny("llama"), [Head(1, 0)], store, ROWS))
    rows = STORE.tokens.astype(np.uint16)
    rows[ROWS[1], 6:] = np.iinfo(np.uint16).max
    files.write_array(tmp_path / "short.npy", rows)
    short = list(attention.passes(tiny("llama"), [Head(1, 0)], TokenStore(tmp_path / "short.npy"), ROWS))
    assert short[1][0].shape == (5, 5) and short[1][1].shape == (5,)
    np.testing.assert_allclose(short[1][0], whole[1][0][:5, :5], atol=1e-6)
    np.testing.assert_allclose(short[1][1], whole[1][1][:5], atol=1e-5)
    np.testing.assert_allclose(short[2][0], whole[2][0], atol=1e-6)


def test_a_summary_has_the_strongest_places_and_what_each_token_receives():
    pattern = np.array([[1, 0, 0, 0], [0.3, 0.7, 0, 0], [0.5, 0.25, 0.25, 0], [0.1, 0.6, 0.1, 0.2]])
    found = attention.summary(pattern, 2)
    assert found.places.tolist() == [[0, -1], [1, 0], [0, 1], [1, 3]]
    np.testing.assert_allclose(found.shares, [[1, 0], [0.7, 0.3], [0.5, 0.25], [0.6, 0.2]], rtol=1e-3)
    np.testing.assert_allclose(found.received, [1.9 / 4, 1.55 / 3, 0.35 / 2, 0.2], rtol=1e-3)
    assert found.shares.dtype == found.received.dtype == np.float16


def test_a_text_of_one_token_attends_to_itself():
    found = attention.summary(np.ones((1, 1)), 3)
    assert found.places.tolist() == [[0, -1, -1]] and found.received.tolist() == [1]
