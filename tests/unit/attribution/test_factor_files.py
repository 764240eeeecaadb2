"""Factors fitted in parts: the whole is the sum of the parts, and scores do not depend on the cut."""

import numpy as np
import pytest
import torch
from conftest import Store, tiny_model
from kronfluence.factor.config import FactorConfig

from mda.attribution import curvature, factor_files, influence, probes
from mda.config import sections
from mda.models import units
from mda.runtime.errors import UserError
from mda.training import schedule

HEADS = [units.Head(0, 1), units.Head(1, 0)]


def fit(**changes) -> sections.Fit:
    settings = {"strategy": "ekfac", "samples": 13, "samples_per_part": 13, "seed": 0, "batch_size": 4}
    return sections.Fit.model_validate({**settings, **changes})


def tracker() -> influence.Tracker:
    return influence.Tracker(tiny_model(), HEADS, 0)


def files_of(tmp_path, store: Store, size: int, strategy: str) -> dict[str, np.ndarray]:
    """Fit in parts of `size`, through files as the rules do; returns all joined factors."""
    parts = [np.arange(len(store))[start : start + size] for start in range(0, len(store), size)]
    joined = {}
    eigen: curvature.Factors = {}
    if fit(strategy=strategy).has_eigenvectors:
        paths = []
        for number, rows in enumerate(parts):
            sums = tracker().covariances(influence.Rows(store, rows), 4)
            paths.append(tmp_path / f"covariance-{size}-{number}.safetensors")
            factor_files.write(paths[-1], factor_files.to_arrays(curvature.flatten(sums)))
        joined |= factor_files.join(paths)
        covariance = curvature.unflatten(factor_files.to_tensors(factor_files.join(paths)))
        eigen = curvature.eigendecomposition(covariance)
        joined |= factor_files.to_arrays(curvature.flatten(eigen))
    if fit(strategy=strategy).has_lambdas:
        paths = []
        for number, rows in enumerate(parts):
            sums = tracker().lambdas(influence.Rows(store, rows), eigen, 4)
            paths.append(tmp_path / f"lambda-{size}-{number}.safetensors")
            factor_files.write(paths[-1], factor_files.to_arrays(curvature.flatten(sums)))
        joined |= factor_files.join(paths)
    return joined


@pytest.mark.parametrize("strategy", ["identity", "diagonal", "kfac", "ekfac"])
def test_which_passes_a_strategy_needs_is_what_kronfluence_says(strategy):
    needs, ours = FactorConfig.CONFIGS[strategy], fit(strategy=strategy)
    assert ours.has_eigenvectors == needs.requires_covariance_matrices == needs.requires_eigendecomposition
    assert ours.has_lambdas == needs.requires_lambda_matrices
    assert not needs.requires_covariance_matrices_for_precondition


@pytest.mark.parametrize("strategy", ["diagonal", "kfac", "ekfac"])
@pytest.mark.parametrize("size", [2, 5, 13])
def test_scores_are_those_of_one_fit_however_it_is_cut(tmp_path, store, strategy, size):
    whole = tracker().fit(influence.Rows(store, np.arange(len(store))), strategy, 4)
    parts = curvature.unflatten(factor_files.to_tensors(files_of(tmp_path, store, size, strategy)))
    vocabulary = np.random.default_rng(1).integers(0, 20, (2, 8))
    tokens = torch.from_numpy(vocabulary)
    query = influence.Query("head", [HEADS[0]], probes.load("previous_token"), tokens)
    found = []
    for factors in (whole, parts):
        scorer = influence.Tracker(tiny_model(), HEADS, 0, [query])
        rows = influence.Rows(store, np.arange(len(store)))
        [(_, scores)] = scorer.score(rows, factors, strategy, 0.1, 4)
        found.append(scores["qk"])
    # Sums of float32 in another order: a relative 1e-4 of the largest score.
    np.testing.assert_allclose(found[0], found[1], atol=1e-4 * np.abs(found[0]).max())
    assert np.abs(found[0]).max() > 0


def test_one_part_is_the_whole_to_the_bit(tmp_path):
    path = tmp_path / "part.safetensors"
    array = {"a/b": np.float32([1, 2**-30]), "n/b": np.array([3])}
    factor_files.write(path, array)
    joined = factor_files.join([path])
    assert all(np.array_equal(joined[key], array[key]) for key in array)
    assert joined["a/b"].dtype == np.float32


def test_parts_of_other_blocks_are_refused(tmp_path):
    for name, key in (("one", "a/b"), ("two", "a/c")):
        factor_files.write(tmp_path / f"{name}.safetensors", {key: np.ones(2, np.float32)})
    with pytest.raises(UserError, match="has other blocks than"):
        factor_files.join([tmp_path / "one.safetensors", tmp_path / "two.safetensors"])


@pytest.mark.parametrize("size", [1, 4, 13, 50])
def test_the_parts_are_one_sample_of_the_stream(tmp_path, size):
    path = tmp_path / "order.parquet"
    schedule.base(40, 5, 8, 0).write(path)
    settings = fit(samples_per_part=size)
    parts = [factor_files.rows(path, settings, part) for part in range(settings.parts)]
    assert max(map(len, parts)) <= size
    assert min(map(len, parts)) > 0
    assert np.array_equal(np.concatenate(parts), factor_files.rows(path, fit(), 0))
    assert len(set(np.concatenate(parts))) == 13
    # As by one that holds the whole stream.
    stream = schedule.Schedule.read(path).row
    drawn = np.random.default_rng(fit().seed).choice(stream, size=13, replace=False)
    assert np.concatenate(parts).tolist() == sorted(drawn)
