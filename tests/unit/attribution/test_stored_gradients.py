"""Influence from stored gradients, against influence by a pass and against autograd."""

import logging

import numpy as np
import pytest
import torch
from conftest import tiny_model
from independent import tiny
from scipy.stats import spearmanr
from torch.nn import functional

from mda.attribution import (
    curvature,
    factor_files,
    influence,
    passes,
    probes,
    stored_directions,
    stored_gradients,
)
from mda.models.units import MLP, Head
from mda.runtime.errors import UserError
from mda.steps.attribution import stored_directions as step

TARGETS = [Head(0, 1), Head(1, 0)]
TOKENS = torch.from_numpy(np.random.default_rng(1).integers(0, 20, (3, 12)))
QUERIES = [
    influence.Query("first", [Head(1, 0)], probes.induction, TOKENS),
    influence.Query("second", TARGETS, probes.previous_token, TOKENS[:, :7]),
]
# More than any unit of the tiny model has.
EVERYTHING = 10**6


def directions(factors, values, folder):
    """What is chosen, by the step, as the next one reads it."""
    factor_files.write(folder / "lambda.safetensors", factor_files.to_arrays(curvature.flatten(factors)))
    step.choose(folder / "lambda.safetensors", values, folder / "directions.parquet")
    return stored_directions.read_directions(folder / "directions.parquet")


@pytest.fixture
def fitted(store):
    tracker = influence.Tracker(tiny_model(), TARGETS, 5, QUERIES)
    rows = influence.Rows(store, np.arange(len(store)))
    return tracker, rows, tracker.fit(rows, "ekfac", 4)


def stored(tracker, rows, kept, factors, batch=4):
    parts = list(stored_gradients.store(tracker, rows, kept, factors, batch))
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def from_store(tracker, factors, kept, values, damping=0.1, share=1.0, floor=None):
    made = tracker.directions(factors, "ekfac", damping, floor)
    parts = np.array_split(values, 3)
    return stored_gradients.influences(made, curvature.bases_of(tracker.model, factors), kept, parts, share)


@pytest.mark.parametrize(("damping", "floor"), [(0.01, None), (1.0, None), (0.1, 1e-3)])
@pytest.mark.parametrize("kind", ["gpt_neox", "llama"])
def test_all_directions_give_the_scores_of_a_pass(store, tmp_path, kind, damping, floor):
    """Of LLaMA with keys and values that heads share."""
    tracker = influence.Tracker(tiny(kind), TARGETS, 5, QUERIES)
    rows = influence.Rows(store, np.arange(len(store)))
    factors = tracker.fit(rows, "ekfac", 4)
    kept = directions(factors, EVERYTHING, tmp_path)
    values, losses, *_ = stored(tracker, rows, kept, factors)
    assert values.dtype == np.float16
    found = from_store(tracker, factors, kept, values, damping, floor=floor)
    scored = tracker.score(rows, factors, "ekfac", damping, 4, floor)
    for parts, (query, exact) in zip(found, scored, strict=True):
        assert list(parts) == [name for name in exact if name != "loss"], query.target
        np.testing.assert_allclose(losses, exact["loss"], rtol=1e-6)
        for name, mine in parts.items():
            # Half precision has 11 bits.
            np.testing.assert_allclose(mine, exact[name], atol=2e-3 * np.abs(exact[name]).max())


def test_numbers_are_the_gradients_in_the_eigenvectors(fitted, store, tmp_path):
    """Of the values of a head, by autograd."""
    tracker, rows, factors = fitted
    kept = directions(factors, 60, tmp_path)
    values, *_ = stored(tracker, rows, kept, factors)
    model, block = tiny_model(), tracker.blocks[Head(1, 0)]["v"]
    # Queries, keys and values of head 0, eight each.
    weight = model.gpt_neox.layers[1].attention.query_key_value.weight
    left, right = (
        factors[f"{side}_eigenvectors"][name].numpy()
        for side, name in (("gradient", block.written), ("activation", block.read))
    )
    mine = kept[block.name]
    for number, tokens in enumerate(torch.from_numpy(store.take(rows.rows[:3]))):
        loss = functional.cross_entropy(model(tokens[None, :-1]).logits[0], tokens[1:], reduction="sum")
        gradient = torch.autograd.grad(loss, weight)[0][16:24].numpy()
        wanted = (left.T @ gradient @ right)[mine.outputs, mine.inputs]
        found = values[number, mine.columns].astype(np.float32) * mine.scales
        np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


def test_the_largest_eigenvalues_are_chosen_and_shared_by_size(fitted, tmp_path):
    _, _, factors = fitted
    kept = directions(factors, 64, tmp_path)
    sizes = {name: total.numel() for name, total in factors["lambda_matrix"].items()}
    for unit in TARGETS:
        own = [name for name in kept if name.startswith(f"{unit}.")]
        whole = sum(sizes[name] for name in own)
        for name in own:
            means = (factors["lambda_matrix"][name] / factors["num_lambda_processed"][name]).flatten()
            number = len(kept[name].scales)
            assert number == round(64 * sizes[name] / whole)
            np.testing.assert_allclose(kept[name].eigenvalues, means.topk(number).values.double(), rtol=1e-6)
    assert stored_directions.width(kept) == sum(len(each.scales) for each in kept.values())


def test_a_share_of_the_store_is_the_store_of_that_size(fitted, tmp_path):
    tracker, rows, factors = fitted
    large, small = (directions(factors, values, tmp_path) for values in (256, 64))
    whole, *_ = stored(tracker, rows, large, factors)
    part, *_ = stored(tracker, rows, small, factors)
    by_share = from_store(tracker, factors, large, whole, share=64 / 256)
    for one, two in zip(by_share, from_store(tracker, factors, small, part), strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-5, atol=1e-6 * np.abs(two[name]).max())


def test_more_directions_come_closer(fitted, tmp_path):
    tracker, rows, factors = fitted
    exact = [sum(parts[kind] for kind in ("qk", "v", "o")) for _, parts in
             tracker.score(rows, factors, "ekfac", 0.1, 4)]  # fmt: skip
    kept = directions(factors, EVERYTHING, tmp_path)
    values, *_ = stored(tracker, rows, kept, factors)
    for number, scores in enumerate(exact):
        close = [
            spearmanr(scores, sum(parts[number].values()))[0]
            for parts in (
                from_store(tracker, factors, kept, values, share=share) for share in (0.05, 0.5, 1.0)
            )
        ]
        assert close[0] < close[1] < close[2]
        assert close[2] > 0.999


def test_the_batch_changes_nothing_but_rounding(fitted, tmp_path):
    tracker, rows, factors = fitted
    kept = directions(factors, 64, tmp_path)
    one, two = (stored(tracker, rows, kept, factors, batch)[0].astype(np.float32) for batch in (1, 5))
    np.testing.assert_allclose(one, two, atol=2e-3 * np.abs(one).max())


def test_gradients_of_whole_mlps_are_stored_some_samples_at_a_time(store, monkeypatch, tmp_path):
    tracker = influence.Tracker(tiny_model(), [MLP(1)], 5)
    rows = influence.Rows(store, np.arange(6))
    factors = tracker.fit(rows, "ekfac", 6)
    kept = directions(factors, 100, tmp_path)
    at_once, *_ = stored(tracker, rows, kept, factors, 6)
    monkeypatch.setattr(curvature, "GRADIENTS", 1)
    one_by_one, *_ = stored(tracker, rows, kept, factors, 6)
    np.testing.assert_array_equal(at_once, one_by_one)


def test_the_store_is_written_and_read_in_parts(monkeypatch, tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float16)
    path = tmp_path / "0.npy"
    stored_directions.write(path, 7, 5, iter(np.array_split(values, 3)))
    np.testing.assert_array_equal(np.load(path), values)
    monkeypatch.setattr(stored_directions, "HELD", 2 * 5)
    parts = list(stored_directions.read(path, 7, 5))
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(parts), values)
    with pytest.raises(UserError, match=r"has the shape \(7, 5\), and not \(8, 5\)"):
        next(stored_directions.read(path, 8, 5))


def test_what_half_precision_cannot_hold_is_cut_off_and_told(fitted, caplog, tmp_path):
    tracker, rows, factors = fitted
    kept = directions(factors, 8, tmp_path)
    tiny = {name: each._replace(scales=each.scales * 1e-9) for name, each in kept.items()}
    with caplog.at_level(logging.WARNING):
        values, _, cut_off = stored(tracker, rows, tiny, factors)
    assert np.isfinite(values).all()
    # Of each sample, so that a table can say it.
    assert cut_off.tolist() == (np.abs(values) == np.finfo(np.float16).max).sum(axis=1).tolist()
    assert cut_off.all()
    assert "were cut off" in caplog.text


def test_a_block_without_curvature_counts_0_and_bears_no_floor(fitted, tmp_path):
    tracker, rows, factors = fitted
    name = "L1H0.v"
    factors["lambda_matrix"][name].zero_()
    kept = directions(factors, 64, tmp_path)
    assert (kept[name].scales == 1).all()
    values, *_ = stored(tracker, rows, kept, factors)
    found = from_store(tracker, factors, kept, values)
    assert not found[0]["v"].any()
    assert found[0]["qk"].any()
    stored_directions.check_floor(kept, None)
    with pytest.raises(UserError, match=r"block L1H0\.v has no curvature"):
        stored_directions.check_floor(kept, 1e-5)


def test_a_broken_model_is_an_error(fitted, tmp_path):
    tracker, rows, factors = fitted
    kept = directions(factors, 8, tmp_path)
    with torch.no_grad():
        tracker.model.gpt_neox.embed_in.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="is broken at this step"):
        list(stored_gradients.store(tracker, passes.Rows(rows.store, rows.rows), kept, factors, 4))
