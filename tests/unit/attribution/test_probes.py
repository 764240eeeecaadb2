"""Probes and metrics: no off-by-one, and clear words for a user's wrong probe."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import tiny_model

from mda.attribution import probes
from mda.models import metrics, sequences
from mda.models.units import Head
from mda.runtime.errors import UserError

VOCABULARY = np.arange(2, 20)
REPEATED = torch.from_numpy(sequences.repeated_tokens(VOCABULARY, 4, 8, seed=0))


class Copier(torch.nn.Module):
    """Predicts, at every position, the token that followed the previous occurrence."""

    def forward(self, tokens, use_cache=False):
        logits = torch.zeros(*tokens.shape, 20)
        length = tokens.shape[1] // 2
        for position in range(length, 2 * length - 1):
            logits[:, position].scatter_(1, tokens[:, position - length + 1, None], 100.0)
        return SimpleNamespace(logits=logits)


def test_a_perfect_induction_model_has_probe_value_zero():
    assert probes.induction(Copier(), REPEATED, []).item() == pytest.approx(0, abs=1e-3)


def test_an_ignorant_model_has_chance_value():
    model = SimpleNamespace(logits=torch.zeros(*REPEATED.shape, 20))
    value = probes.induction(lambda tokens, use_cache: model, REPEATED, [])
    assert value.item() == pytest.approx(-4 * 7 * np.log(20), rel=1e-5)


def pattern(length, offset):
    """Attention from t to t - offset."""
    attention = torch.zeros(1, 1, length, length)
    for position in range(length):
        attention[0, 0, position, max(position - offset, 0)] = 1.0
    return attention


@pytest.mark.parametrize(("offset", "expected"), [(7, 1.0), (8, 0.0), (6, 0.0), (1, 0.0)])
def test_prefix_matching_looks_just_after_the_previous_occurrence(offset, expected):
    # T = 8: position t attends to t - 8 + 1.
    assert metrics.prefix_matching(pattern(16, offset)).item() == expected


@pytest.mark.parametrize(("offset", "expected"), [(1, 1.0), (0, 0.0)])
def test_previous_token_score(offset, expected):
    assert metrics.previous_token(pattern(9, offset)).item() == expected


def test_prefix_matching_equals_a_plain_loop():
    attention = torch.rand(3, 2, 12, 12).softmax(-1)
    expected = [np.mean([attention[:, head, t, t - 5].mean() for t in range(6, 12)]) for head in range(2)]
    assert metrics.prefix_matching(attention).tolist() == pytest.approx(expected, rel=1e-5)


def test_copying_equals_the_heads_own_contribution():
    model = tiny_model()
    scores = metrics.head_scores(model, REPEATED)
    kept = []
    dense = model.gpt_neox.layers[1].attention.dense
    handle = dense.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
    model(REPEATED)
    handle.remove()
    only = torch.zeros_like(kept[0])
    only[..., 8:16] = kept[0][..., 8:16]
    logits = model.get_output_embeddings()(model.gpt_neox.final_layer_norm(only @ dense.weight.T))
    predicted = logits.log_softmax(-1)[:, 8:15].gather(-1, REPEATED[:, 9:, None]).mean()
    assert scores.copying[1, 1].item() == pytest.approx(predicted.item(), rel=1e-4)


def test_previous_token_probe_sums_the_heads_own_attention():
    model = tiny_model()
    attentions = model(REPEATED, output_attentions=True).attentions
    expected = sum(attentions[1][:, 1, t, t - 1].sum().item() for t in range(1, 16))
    assert probes.previous_token(model, REPEATED, [Head(1, 1)]).item() == pytest.approx(expected, rel=1e-5)


def test_icl_score_is_late_minus_early():
    losses = torch.arange(10.0).expand(3, 10)
    settings = SimpleNamespace(early=2, late=8)
    assert metrics.icl_score(losses, settings) == pytest.approx(8 - 1)


def test_random_tokens_have_no_doubles_where_they_fit():
    tokens = sequences.random_tokens(VOCABULARY, 50, 18, seed=3)
    assert all(len(set(row)) == 18 for row in tokens.tolist())
    assert sequences.random_tokens(VOCABULARY, 2, 40, seed=3).shape == (2, 40)


def test_own_probe_is_loaded(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def surprise(model, tokens, heads):\n    return model(tokens).logits.mean()\n")
    probe = probes.load(f"{path}:surprise")
    assert probe(tiny_model(), REPEATED, []).ndim == 0


def test_own_probe_may_import_what_lies_beside_it(tmp_path):
    """At its start and when it is called, wherever the process works."""
    (tmp_path / "beside_a.py").write_text("scale = 2.0\n")
    (tmp_path / "beside_b.py").write_text("def half(x):\n    return x / 2\n")
    source = "import beside_a\ndef f(model, tokens, heads):\n    import beside_b\n"
    source += "    return beside_b.half(beside_a.scale * model(tokens).logits.mean())\n"
    (tmp_path / "mine.py").write_text(source)
    probe = probes.load(f"{tmp_path / 'mine.py'}:f")
    model = tiny_model()
    assert probe(model, REPEATED, []).item() == pytest.approx(model(REPEATED).logits.mean().item())


def test_own_probe_may_have_a_dataclass(tmp_path):
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    source += "@dataclass\nclass A:\n    x: int\n"
    source += "def f(model, tokens, heads):\n    return model(tokens).logits.mean()\n"
    (tmp_path / "with_class.py").write_text(source)
    assert probes.load(f"{tmp_path / 'with_class.py'}:f")


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("def f(model, tokens, heads):\n    return 1.0\n", "f", "must return a scalar tensor"),
        ("def f(model, tokens, heads):\n    return model(tokens).logits\n", "f", r"of shape \(4, 16, 20\)"),
        ("x = 1\n", "f", "has no function 'f'"),
        ("import nothing_like_this\n", "f", "fails with ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "f", "mine.py, line 1 fails with SystemExit"),
        ("def f(model, tokens, heads):\n    exit()\n", "f", "mine.py, line 2 fails with SystemExit"),
        ("def f(model, tokens, heads):\n    return model(tokens).logits.sum() * 1j\n", "f", "complex64"),
    ],
)
def test_a_wrong_probe_is_one_sentence(tmp_path, source, name, words):
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(UserError, match=words):
        probes.load(f"{path}:{name}")(tiny_model(), REPEATED, [])
