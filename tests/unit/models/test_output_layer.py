"""Losses and gradients at the output layer are those of autograd on all logits, however few at a time."""

import numpy as np
import pytest
import torch
from independent import KINDS, STORE, sampled_labels, tiny
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from mda.models import model as models
from mda.models import output_layer

ROWS = torch.from_numpy(STORE.take(np.arange(len(STORE))))
READ, FOLLOWING = ROWS[:, :-1], ROWS[:, 1:]
# Of a vocabulary of 20: a token at a time, three (which do not divide the rows), all.
AT_A_TIME = [1, 60, 2**22]


def differentiated(model, losses):
    """Losses, and the gradient of a sum that weighs them differently in the embedded tokens."""
    (losses * torch.arange(1, losses.numel() + 1).view(losses.shape)).sum().backward()
    gradient = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    return losses.detach(), gradient


def by_autograd(model, labels):
    logits = model(READ).logits.float()
    flat = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return differentiated(model, flat.view(labels.shape))


@pytest.mark.parametrize("logits", AT_A_TIME)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients_are_those_of_autograd(kind, logits, monkeypatch):
    monkeypatch.setitem(output_layer.LOGITS, "cpu", logits)
    model = tiny(kind)
    # Without a gradient of its own: a tied output layer's weight is the embedding's.
    model.set_output_embeddings(detached(model))
    expected = by_autograd(model, FOLLOWING)
    found = differentiated(model, output_layer.losses(model, READ, FOLLOWING))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


def detached(model):
    layer = torch.nn.Linear(*reversed(model.get_output_embeddings().weight.shape), bias=False)
    layer.weight = torch.nn.Parameter(model.get_output_embeddings().weight.detach().clone(), False)
    return layer


@pytest.mark.parametrize("logits", AT_A_TIME)
def test_drawn_labels_are_those_of_an_independent_draw_in_float64(logits, monkeypatch):
    monkeypatch.setitem(output_layer.LOGITS, "cpu", logits)
    model, rows = tiny("gpt_neox"), np.array([3, 14, 15, 92, 65, 35, 89])
    model.set_output_embeddings(detached(model))
    points = output_layer.points_of(rows, READ.shape[1], 5)
    labels = sampled_labels(model(READ).logits, rows, 5)
    expected = by_autograd(model, labels)
    found = differentiated(model, output_layer.losses(model, READ, None, points))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


def test_bf16_losses_are_those_of_autograd_in_bf16():
    model = tiny("gpt_neox")
    model.set_output_embeddings(detached(model))
    with models.precision(torch.device("cpu"), "bf16"):
        expected = by_autograd(model, FOLLOWING)
        found = differentiated(model, output_layer.losses(model, READ, FOLLOWING))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-4), ("bf16", 2e-2)])
@pytest.mark.parametrize("certainty", [0.5, 4.0, 8.0, 12.0])
def test_gradients_of_tokens_that_are_all_but_certain_are_not_rounding(certainty, precision, tolerance):
    """Token by token, against float64: there the two parts of the gradient nearly cancel."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(50, 16, generator=generator)
    labels = torch.arange(50).repeat(4)
    directions = weight[labels] / weight[labels].norm(dim=1, keepdim=True).square()
    hidden = directions * certainty + 0.1 * torch.randn(200, 16, generator=generator)
    if precision == "bf16":
        # What both are given.
        hidden, weight = hidden.bfloat16().float(), weight.bfloat16().float()

    def gradient(values, work):
        values = values.clone().requires_grad_()
        work(values).sum().backward()
        return values.grad.double()

    expected = gradient(
        hidden.double(), lambda x: functional.cross_entropy(x @ weight.double().T, labels, reduction="sum")
    )
    with models.precision(torch.device("cpu"), precision):
        found = gradient(hidden, lambda x: output_layer._Losses.apply(x, weight, labels, None))
    errors = (found - expected).norm(dim=1) / expected.norm(dim=1)
    assert errors.median() < tolerance


def test_all_logits_are_never_held(monkeypatch):
    monkeypatch.setitem(output_layer.LOGITS, "cpu", 60)
    model, seen = tiny("gpt_neox"), []

    class Watched(TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), options=None):
            found = function(*arguments, **(options or {}))
            if isinstance(found, torch.Tensor) and found.shape[-1:] == (20,) and len(found) != 32:
                # Not of the weight, whose other side is 32.
                seen.append(found.numel())
            return found

    with Watched():
        output_layer.losses(model, READ, FOLLOWING).sum().backward()
    assert max(seen) == 60


def test_labels_follow_the_weights():
    weights = torch.tensor([1.4, 0.4, 0.2]).expand(8000, 3)
    points = torch.rand(8000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = output_layer.drawn(weights, points)
    assert torch.bincount(labels) / 8000 == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


def test_labels_have_weight_even_at_the_ends():
    weights = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
    points = torch.tensor([0.0, 1.0 - 2**-53], dtype=torch.float64)
    assert output_layer.drawn(weights, points).tolist() == [1, 3]


def test_points_depend_on_the_seed_and_the_row_alone():
    rows = np.arange(20)
    order = np.random.default_rng(0).permutation(20)
    points = output_layer.points_of(rows, 4, 0)
    assert torch.equal(output_layer.points_of(rows[order], 4, 0), points[order])
    assert not torch.equal(output_layer.points_of(rows, 4, 1), points)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_of_all_sizes_are_those_of_float64(precision):
    """Of a token that is all but certain, and of one whose share is below the smallest float32."""
    weight = torch.tensor([[1.0], [0.0], [-1.0]])
    hidden = torch.tensor([[0.5], [4.0], [16.0], [64.0], [128.0]]).repeat_interleave(3, dim=0)
    labels = torch.arange(3).repeat(5)
    expected = functional.cross_entropy(hidden.double() @ weight.double().T, labels, reduction="none")
    with models.precision(torch.device("cpu"), precision):
        found = output_layer._Losses.apply(hidden, weight, labels, None)
    rtol = {"fp32": 1e-6, "bf16": 5e-3}[precision]
    torch.testing.assert_close(found.double(), expected, rtol=rtol, atol=1e-12)


def test_losses_of_shares_below_the_smallest_number_take_few_logits_at_a_time(monkeypatch):
    weight = torch.tensor([[1.0], [0.0], [-1.0]])
    hidden, labels = torch.full((7, 1), 128.0), torch.full((7,), 2)
    expected = output_layer._Losses.apply(hidden, weight, labels, None)
    monkeypatch.setitem(output_layer.LOGITS, "cpu", 6)
    seen = []
    whole = torch.log_softmax
    monkeypatch.setattr(
        torch, "log_softmax", lambda logits, dim: seen.append(len(logits)) or whole(logits, dim)
    )
    assert torch.equal(output_layer._Losses.apply(hidden, weight, labels, None), expected)
    assert expected.tolist() == [256.0] * 7
    assert seen == [2, 2, 2, 1]


def test_labels_drawn_in_bf16_follow_the_model():
    """Their losses, in expectation over the draws, are the entropies of the predictions."""
    generator = torch.Generator().manual_seed(0)
    weight, hidden = torch.randn(50, 8, generator=generator), torch.randn(1, 8, generator=generator)
    shares = (hidden.double() @ weight.double().T).softmax(dim=1)
    entropy = -(shares * shares.log()).sum()
    points = torch.rand(20_000, generator=generator, dtype=torch.float64)
    with models.precision(torch.device("cpu"), "bf16"):
        losses = output_layer._Losses.apply(hidden.expand(20_000, 8), weight, None, points)
    assert losses.mean().item() == pytest.approx(entropy.item(), rel=0.02)
