"""Scores against independent computations, and what they must not depend on."""

import logging

import numpy as np
import pytest
import torch
from conftest import tiny_model
from independent import sampled_labels
from torch.nn import functional

from mda.attribution import curvature, influence, probes
from mda.config import sections
from mda.models import architectures
from mda.models.units import Head
from mda.runtime.errors import UserError

SIZE = 8
BLOCKS = ("qk", "v", "o")
TARGETS = [Head(0, 1), Head(1, 0)]
TOKENS = torch.from_numpy(np.random.default_rng(1).integers(0, 20, (3, 12)))
QUERIES = [
    influence.Query("first", [Head(1, 0)], probes.induction, TOKENS),
    influence.Query("second", [Head(0, 1)], probes.previous_token, TOKENS[:, :7]),
]


def scored(
    store, strategy, heads=TARGETS, queries=QUERIES, batch_size=4, rows=None, factors=None, damping=0.1,
    floor=None, model=None,
):  # fmt: skip
    tracker = influence.Tracker(model or tiny_model(), heads, 5, queries)
    everything = influence.Rows(store, np.arange(len(store)))
    if factors is None:
        factors = tracker.fit(everything, strategy, batch_size)
    wanted = influence.Rows(store, np.arange(len(store)) if rows is None else rows)
    return {
        query.target: parts
        for query, parts in tracker.score(wanted, factors, strategy, damping, batch_size, floor)
    }


def blocks(model, head):
    """The head's parameters of an unsplit model: weight, rows or columns, by block."""
    attention = model.gpt_neox.layers[head.layer].attention
    start = head.number * 3 * SIZE
    fused, output = attention.query_key_value.weight, attention.dense.weight
    columns = slice(head.number * SIZE, (head.number + 1) * SIZE)
    return {
        "qk": (fused, lambda weight: weight[start : start + 2 * SIZE]),
        "v": (fused, lambda weight: weight[start + 2 * SIZE : start + 3 * SIZE]),
        "o": (output, lambda weight: weight[:, columns]),
    }


def gradients(model, head, value):
    """Gradient of a scalar with respect to each block of a head."""
    found = {}
    for name, (weight, part) in blocks(model, head).items():
        gradient = torch.autograd.grad(value, weight, retain_graph=True, allow_unused=True)[0]
        found[name] = part(torch.zeros_like(weight) if gradient is None else gradient)
    return found


def loss_of(model, tokens, labels=None):
    logits = model(tokens[None, :-1]).logits[0]
    return functional.cross_entropy(logits, tokens[1:] if labels is None else labels, reduction="sum")


def test_identity_scores_equal_per_sample_gradients(store):
    found = scored(store, "identity")
    model = tiny_model()
    for query in QUERIES:
        head = query.units[0]
        ascent = gradients(model, head, query.probe(model, query.tokens, query.units))
        for row, tokens in enumerate(torch.from_numpy(store.take(np.arange(len(store))))):
            loss = loss_of(model, tokens)
            descent = gradients(model, head, loss)
            assert found[query.target]["loss"][row] == pytest.approx(loss.item(), rel=1e-5)
            for block in BLOCKS:
                expected = -(ascent[block] * descent[block]).sum().item()
                assert found[query.target][block][row] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def dense_ekfac(store, query, damping=0.1, floor=0.0):
    """EK-FAC by its definition, in float64, with explicit matrices and a linear solve.

    Inputs and output gradients of the unsplit projections are caught by hooks; each block's
    damped curvature is built as a full matrix over its parameters.
    """
    model, head = tiny_model(dtype=torch.float64), query.units[0]
    attention = model.gpt_neox.layers[head.layer].attention
    caught = {}
    for name, module in (("in", attention.query_key_value), ("out", attention.dense)):

        def keep(module, inputs, output, name=name):
            output.retain_grad()
            caught[name] = (inputs[0].detach(), output)

        module.register_forward_hook(keep)
    start, columns = head.number * 3 * SIZE, slice(head.number * SIZE, (head.number + 1) * SIZE)
    pairs = {block: [] for block in BLOCKS}
    rows = torch.from_numpy(store.take(np.arange(len(store))))
    for row, tokens in enumerate(rows):
        logits = model(tokens[None, :-1]).logits
        # The labels must be those that kronfluence was given, drawn in float32.
        single = tiny_model()(tokens[None, :-1]).logits
        labels = sampled_labels(single, torch.tensor([row]), 5)[0]
        model.zero_grad()
        functional.cross_entropy(logits[0], labels, reduction="sum").backward()
        (x, fused), (heads, output) = caught["in"], caught["out"]
        pairs["qk"].append((x[0], fused.grad[0, :, start : start + 2 * SIZE]))
        pairs["v"].append((x[0], fused.grad[0, :, start + 2 * SIZE : start + 3 * SIZE]))
        pairs["o"].append((heads[0][:, columns], output.grad[0]))
    ascent = gradients(model, head, query.probe(model, query.tokens, query.units))
    descents = [gradients(model, head, loss_of(model, tokens)) for tokens in rows]
    scores = {}
    for block, samples in pairs.items():
        x, g = (torch.cat([sample[side] for sample in samples]) for side in (0, 1))
        inner = torch.linalg.eigh(x.T @ x / len(x)).eigenvectors
        outer = torch.linalg.eigh(g.T @ g / len(g)).eigenvectors
        basis = torch.kron(outer, inner)
        per_sample = torch.stack([(g.T @ x).flatten() for x, g in samples]) @ basis
        eigenvalues = per_sample.square().mean(dim=0)
        damped = (eigenvalues + damping * eigenvalues.mean()).clamp(min=floor)
        curvature = basis @ torch.diag(damped) @ basis.T
        direction = torch.linalg.solve(curvature, ascent[block].flatten())
        scores[block] = [-(direction @ descent[block].flatten()).item() for descent in descents]
    return scores


@pytest.mark.parametrize("head", [Head(1, 0), Head(0, 1)])
def test_ekfac_scores_equal_a_dense_computation(store, head):
    query = influence.Query("unit", [head], probes.induction, TOKENS)
    found = scored(store, "ekfac", queries=[query])
    for block, expected in dense_ekfac(store, query).items():
        # kronfluence works in float32, and eigenvectors of near-equal eigenvalues may mix.
        assert found[query.target][block] == pytest.approx(expected, rel=2e-3, abs=2e-3 * np.ptp(expected))


@pytest.mark.parametrize("damping", [0.01, 3.0])
def test_damping_is_a_multiple_of_the_mean_eigenvalue(store, damping):
    query = influence.Query("unit", [Head(1, 0)], probes.induction, TOKENS)
    found = scored(store, "ekfac", queries=[query], damping=damping)
    for block, expected in dense_ekfac(store, query, damping).items():
        assert found[query.target][block] == pytest.approx(expected, rel=5e-3, abs=5e-3 * np.ptp(expected))


def test_no_damped_eigenvalue_is_below_the_floor(store, caplog):
    """Which raises some of them and leaves others, as the logged share says."""
    query = influence.Query("unit", [Head(1, 0)], probes.induction, TOKENS)
    tracker = influence.Tracker(tiny_model(), TARGETS, 5, [query])
    factors = tracker.fit(influence.Rows(store, np.arange(len(store))), "ekfac", 4)
    values = factors["lambda_matrix"]["L1H0.qk"] / len(store)
    damped = values + 0.1 * values.mean()
    floor = float(damped.quantile(0.7))
    with caplog.at_level(logging.INFO):
        found = scored(store, "ekfac", queries=[query], floor=floor)
    for block, expected in dense_ekfac(store, query, floor=floor).items():
        assert found["unit"][block] == pytest.approx(expected, rel=5e-3, abs=5e-3 * np.ptp(expected))
    share = 100 * float((damped < floor).double().mean())
    told = f"target unit, block L1H0.qk: {share:.3g} % of the eigenvalues are below the floor {floor:g}"
    assert told in caplog.messages
    without = scored(store, "ekfac", queries=[query])["unit"]["qk"]
    assert np.abs(found["unit"]["qk"] / without - 1).max() > 0.05


@pytest.mark.parametrize("strategy", ["diagonal", "kfac", "ekfac"])
def test_a_floor_far_above_all_eigenvalues_is_a_scaled_identity(store, strategy):
    floored, plain = scored(store, strategy, floor=1e12), scored(store, "identity")
    for target, parts in plain.items():
        for block in BLOCKS:
            tolerance = 1e-5 * max(np.abs(parts[block]).max(), 1e-3)
            np.testing.assert_allclose(floored[target][block] * 1e12, parts[block], rtol=1e-4, atol=tolerance)


def without_output():
    """A head whose output projection is zero, as some initialize it: only that sees the loss."""
    model = tiny_model()
    with torch.no_grad():
        model.gpt_neox.layers[1].attention.dense.weight.zero_()
    return model


@pytest.mark.parametrize("floor", [None, 1e-5])
@pytest.mark.parametrize("strategy", ["identity", "diagonal", "kfac", "ekfac"])
def test_a_block_without_curvature_counts_zero_and_others_go_on(store, strategy, floor, caplog):
    asked = [
        influence.Query("silent", [Head(1, 0)], probes.previous_token, TOKENS),
        influence.Query("whole", [Head(0, 1)], probes.induction, TOKENS),
        influence.Query("same", [Head(1, 0)], probes.induction, TOKENS),
    ]
    with caplog.at_level(logging.WARNING):
        found = scored(store, strategy, queries=asked, model=without_output(), floor=floor)
    assert all(np.isfinite(values).all() for parts in found.values() for values in parts.values())
    for target in ("silent", "same"):
        assert not found[target]["qk"].any()
        assert not found[target]["v"].any()
    assert found["same"]["o"].any()
    assert all(found["whole"][block].any() for block in BLOCKS)
    named = "target silent, block L1H0.qk: has no curvature, for no fitted sample has a gradient there"
    divided = strategy != "identity" and floor is None
    assert any(message.startswith(named) for message in caplog.messages) == divided


def test_an_influence_that_is_not_finite_names_target_and_block(store):
    """Eigenvalues whose inverse is beyond float32."""
    tracker = influence.Tracker(tiny_model(), TARGETS, 5, QUERIES)
    factors = tracker.fit(influence.Rows(store, np.arange(len(store))), "ekfac", 4)
    factors["lambda_matrix"]["L0H1.qk"].fill_(1e-38)
    with pytest.raises(UserError, match=r"target second, block qk: the influence of 13 of 13 samples is not"):
        scored(store, "ekfac", factors=factors)
    assert np.isfinite(scored(store, "ekfac", factors=factors, floor=1e-5)["second"]["qk"]).all()


def test_a_target_without_a_finite_gradient_is_named_and_the_others_go_on(store, caplog):
    def steep(model, tokens, units):
        return model(tokens).logits.sum() * float("inf")

    queries = [
        influence.Query("steep", [Head(1, 0)], steep, TOKENS),
        influence.Query("good", [Head(1, 1)], probes.induction, TOKENS),
    ]
    heads = [Head(1, 0), Head(1, 1)]
    both = scored(store, "identity", heads, queries)
    assert "target steep, block L1H0.qk, L1H0.v, L1H0.o: the gradient of its probe is not" in caplog.text
    # It counts nothing, and the other target goes on.
    alone = scored(store, "identity", heads, queries[1:])
    assert not any(part.any() for name, part in both["steep"].items() if name != "loss")
    for name, part in alone["good"].items():
        np.testing.assert_allclose(both["good"][name], part, rtol=1e-5, atol=1e-6)


def test_a_broken_model_names_the_target(store):
    model = tiny_model()
    with torch.no_grad():
        model.gpt_neox.final_layer_norm.weight.fill_(float("nan"))

    def constant(model, tokens, units):
        return torch.tensor(0.0)

    query = influence.Query("none", [Head(1, 0)], constant, TOKENS)
    with pytest.raises(UserError, match="target none: the loss of 13 of 13 samples is not finite"):
        scored(store, "identity", queries=[query], model=model)


@pytest.mark.parametrize("strategy", ["identity", "diagonal", "kfac", "ekfac"])
def test_scores_do_not_depend_on_the_batch_size(store, strategy):
    one, many = scored(store, strategy, batch_size=1), scored(store, strategy, batch_size=5)
    assert_equal(one, many)


def test_scores_do_not_depend_on_the_shards(store):
    tracker = influence.Tracker(tiny_model(), TARGETS, 5, QUERIES)
    factors = tracker.fit(influence.Rows(store, np.arange(len(store))), "ekfac", 4)
    whole = scored(store, "ekfac", factors=factors)
    for count in (2, 7):
        shards = [
            scored(store, "ekfac", rows=rows, factors=factors)
            for rows in np.array_split(np.arange(len(store)), count)
        ]
        joined = {
            target: {part: np.concatenate([shard[target][part] for shard in shards]) for part in parts}
            for target, parts in whole.items()
        }
        assert_equal(whole, joined)


@pytest.mark.parametrize("strategy", ["identity", "diagonal", "kfac", "ekfac"])
def test_scores_do_not_depend_on_the_heads_tracked_together(store, strategy):
    together = scored(store, strategy, heads=[Head(0, 0), Head(0, 1), Head(1, 0), Head(1, 1)])
    for query in QUERIES:
        alone = scored(store, strategy, heads=query.units, queries=[query])
        assert_equal({query.target: together[query.target]}, alone)


def assert_equal(first, second):
    for target, parts in first.items():
        for part, values in parts.items():
            tolerance = 1e-5 * max(np.abs(values).max(), 1e-3)
            np.testing.assert_allclose(second[target][part], values, rtol=1e-4, atol=tolerance)


def test_a_target_of_two_heads_is_their_sum(store):
    pair = [Head(1, 0), Head(1, 1)]
    both = scored(store, "ekfac", pair, [influence.Query("both", pair, probes.induction, TOKENS)])["both"]
    singles = [
        scored(store, "ekfac", pair, [influence.Query("one", [head], probes.induction, TOKENS)])["one"]
        for head in pair
    ]
    for block in BLOCKS:
        np.testing.assert_allclose(both[block], singles[0][block] + singles[1][block], rtol=1e-4, atol=1e-4)


def test_a_probe_that_does_not_fit_the_gpu_is_one_sentence(store):
    def full(model, tokens, heads):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    query = influence.Query("large", [Head(1, 0)], full, TOKENS)
    with pytest.raises(UserError, match=r"target large .* 3 sequences of 12 tokens; lower probes"):
        scored(store, "identity", [Head(1, 0)], [query])


def test_unsupported_architecture_is_one_sentence():
    model = tiny_model()
    model.config.model_type = "bert"
    with pytest.raises(UserError, match="'bert' is not supported; choose one of gpt_neox"):
        architectures.of(model)


def twice(model, tokens, heads):
    return model(tokens).logits.sum() + model(tokens).logits.sum()


def half(model, tokens, heads):
    return model(tokens[:2]).logits.sum()


def doubled(model, tokens, heads):
    return model(torch.cat([tokens, tokens])).logits.sum()


def inner(model, tokens, heads):
    return model.gpt_neox(tokens).last_hidden_state.sum()


@pytest.mark.parametrize("probe", [twice, half, doubled, inner])
def test_a_probe_may_call_the_model_as_it_likes(store, probe):
    found = scored(store, "identity", queries=[influence.Query("own", [Head(1, 0)], probe, TOKENS)])["own"]
    model = tiny_model()
    ascent = gradients(model, Head(1, 0), probe(model, TOKENS, [Head(1, 0)]))
    for row, tokens in enumerate(torch.from_numpy(store.take(np.arange(len(store))))):
        descent = gradients(model, Head(1, 0), loss_of(model, tokens))
        for block in BLOCKS:
            expected = -(ascent[block] * descent[block]).sum().item()
            assert found[block][row] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_declared_architectures_are_the_supported_ones():
    declared = sections.Model.model_fields["architecture"].annotation.__args__
    assert set(declared) == set(architectures.ARCHITECTURES)


def test_factors_survive_flattening(store):
    tracker = influence.Tracker(tiny_model(), TARGETS, 5, QUERIES)
    factors = tracker.fit(influence.Rows(store, np.arange(5)), "ekfac", 4)
    again = curvature.unflatten(curvature.flatten(factors))
    assert again.keys() == factors.keys()
    assert all(torch.equal(again[name][key], factors[name][key]) for name in factors for key in factors[name])
