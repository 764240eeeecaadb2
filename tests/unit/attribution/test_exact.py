"""The exact Gauss-Newton influence against a dense computation from the model's Jacobian."""

import numpy as np
import pytest
import torch
from conftest import Store, tiny_model
from torch.func import functional_call
from torch.nn import functional

from mda.attribution import exact, influence, passes, probes, watching
from mda.models.units import Head

HEAD = Head(0, 1)
TOKENS = torch.from_numpy(np.random.default_rng(1).integers(0, 20, (3, 12)))
QUERY = influence.Query("unit", [HEAD], probes.induction, TOKENS)


def watched():
    model = tiny_model()
    return model, watching.blocks_of(model, [HEAD])[HEAD]


def value_rows(head):
    start = head.number * 24 + 16
    return slice(start, start + 8)


def with_value_block(model, flat):
    """The model's parameters with the head's V block replaced."""
    name = f"gpt_neox.layers.{HEAD.layer}.attention.query_key_value.weight"
    weight = dict(model.named_parameters())[name].detach().clone()
    rows = value_rows(HEAD)
    return {name: torch.cat([weight[: rows.start], flat.view(8, 16), weight[rows.stop :]])}


def dense_gauss_newton(store):
    """E[J^T (diag(p) - p p^T) J] of the V block, from the Jacobian of the logits."""
    model = tiny_model()
    weight = model.gpt_neox.layers[HEAD.layer].attention.query_key_value.weight
    flat = weight[value_rows(HEAD)].detach().flatten()
    total = torch.zeros(flat.numel(), flat.numel(), dtype=torch.float64)
    for tokens in torch.from_numpy(store.take(np.arange(len(store)))):

        def logits(block, tokens=tokens):
            return functional_call(model, with_value_block(model, block), (tokens[None, :-1],)).logits[0]

        jacobian = torch.autograd.functional.jacobian(logits, flat, vectorize=True).double()
        p = logits(flat).detach().double().softmax(dim=-1)
        middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        total += torch.einsum("tva,tvw,twb->ab", jacobian, middle, jacobian)
    return total / len(store)


def test_draws_converge_to_the_gauss_newton_matrix(store):
    model, blocks = watched()
    expected = dense_gauss_newton(store)
    # Each row five times: a draw gives each copy labels of its own.
    copies = passes.Rows(Store(np.tile(store.tokens, (5, 1))), np.arange(5 * len(store)))
    errors = []
    for draws in (10, 160):
        even, odd = exact.matrices(model, [blocks["v"]], copies, draws, 0, len(copies.rows))
        found = (even["L0H1.v"] + odd["L0H1.v"]).double() / 2
        errors.append(float((found - expected).norm() / expected.norm()))
    # A mean of sixteen times as many draws has a quarter of the error.
    assert errors[1] < 0.06
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.5)


def test_influences_are_gradients_times_directions(store):
    model, blocks = watched()
    rows = np.array([3, 7, 11])
    direction = torch.randn(128, generator=torch.Generator().manual_seed(0)).double()
    [found] = exact.influences(model, [blocks["v"]], passes.Rows(store, rows), [{"L0H1.v": direction}], 2)
    plain = tiny_model()
    weight = plain.gpt_neox.layers[HEAD.layer].attention.query_key_value.weight
    for row, value in zip(rows, found["L0H1.v"], strict=True):
        tokens = torch.from_numpy(store.take(np.array([row])))[0]
        loss = functional.cross_entropy(plain(tokens[None, :-1]).logits[0], tokens[1:], reduction="sum")
        gradient = torch.autograd.grad(loss, weight)[0][value_rows(HEAD)].flatten().double()
        assert value == pytest.approx(-float(gradient @ direction), rel=1e-4)


def test_the_probe_has_the_gradient_of_the_plain_model():
    model, blocks = watched()
    found = influence.probe_gradients(model, QUERY, list(blocks.values()))
    plain = tiny_model()
    weight = plain.gpt_neox.layers[HEAD.layer].attention.query_key_value.weight
    value = probes.induction(plain, TOKENS, [HEAD])
    gradient = torch.autograd.grad(value, weight)[0][value_rows(HEAD)]
    torch.testing.assert_close(found["L0H1.v"], gradient, rtol=1e-4, atol=1e-5)


def test_with_the_identity_for_a_matrix_influence_is_that_of_the_identity(store):
    """An infinite damping leaves the direction of the probe's gradient, up to its length."""
    model, blocks = watched()
    mine = list(blocks.values())
    probe = influence.probe_gradients(model, QUERY, mine)
    rows = passes.Rows(store, np.arange(len(store)))
    directions = {name: gradient.flatten().double() for name, gradient in probe.items()}
    [found] = exact.influences(model, mine, rows, [directions], 4)
    tracker = influence.Tracker(tiny_model(), [HEAD], 5, [QUERY])
    [(_, parts)] = tracker.score(rows, {}, "identity", 0.1, 4)
    for block, own in blocks.items():
        name = own.name
        assert found[name] == pytest.approx(parts[block], rel=1e-3, abs=1e-3 * float(np.ptp(parts[block])))


def test_the_damped_system_is_solved():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator)
    matrix, gradient = root @ root.T, torch.randn(6, generator=generator)
    found = exact.directions({"block": matrix}, {"block": gradient}, 0.1)["block"]
    damped = matrix.double() + 0.1 * matrix.double().trace() / 6 * torch.eye(6).double()
    torch.testing.assert_close(damped @ found, gradient.double())


def test_no_eigenvalue_of_the_exact_matrix_is_below_the_floor():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 3, generator=generator)
    matrix, gradient = root @ root.T, torch.randn(6, generator=generator)
    found = exact.directions({"block": matrix}, {"block": gradient}, 0.01, 0.5)["block"]
    values, vectors = np.linalg.eigh(matrix.double().numpy())
    damped = np.maximum(values + 0.01 * values.mean(), 0.5)
    expected = vectors @ np.diag(1 / damped) @ vectors.T @ gradient.double().numpy()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_a_block_whose_exact_matrix_is_zero_counts_zero():
    found = exact.directions({"block": torch.zeros(4, 4)}, {"block": torch.ones(4)}, 0.1)["block"]
    assert torch.equal(found, torch.zeros(4).double())


def test_squared_norms_are_those_of_the_gradients():
    generator = torch.Generator().manual_seed(0)
    inputs, outputs = torch.randn(4, 5, 3, generator=generator), torch.randn(4, 5, 2, generator=generator)
    expected = watching.sample_gradients(inputs, outputs).square().sum(dim=(1, 2))
    torch.testing.assert_close(watching.squared_norms(inputs, outputs), expected)
