"""The curvature of units' blocks: identity, diagonal, K-FAC, EK-FAC (George et al. 2018, arXiv 1806.03884).

The factors are kronfluence's, by its names, and its code applies their inverse. Its passes over the samples
are not used: they see every block alone, and of a layer with n heads compute, keep and decompose the same
covariance of inputs 2 n times. Here what blocks share is computed once (`mda.attribution.watching`). A test
holds that the numbers are those of kronfluence's own passes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from kronfluence.arguments import ScoreArguments
from kronfluence.factor import config as factor_config
from kronfluence.factor.config import FactorConfig
from transformers import PreTrainedModel

from mda.attribution import passes, watching
from mda.attribution.watching import Block, Seen
from mda.config import sections
from mda.runtime import parallel

# Name of a factor -> what it is of -> the factor.
Factors = dict[str, dict[str, torch.Tensor]]
# Side of a block -> what is read or written -> eigenvectors, shape (features, features).
Bases = dict[str, dict[str, torch.Tensor]]
# The two sides of a block, as kronfluence calls them.
SIDES = ("activation", "gradient")
# Numbers of samples' gradients at a time, 1 GiB: more than those of a head's block and a usual batch.
GRADIENTS = 2**28


def covariances(
    model: PreTrainedModel,
    blocks: Sequence[Block],
    rows: passes.Rows,
    seed: int,
    at_once: int,
    precision: sections.ScoringPrecision,
) -> Factors:
    """Sums over tokens of x x^T of what is read and g g^T of what is written, and the number of tokens.

    On labels sampled from the model, by `seed`.
    """
    read = {block.read: block for block in blocks}
    written = {block.written: block for block in blocks}

    def products(seen: Seen, losses: torch.Tensor) -> Factors:
        del losses
        found: Factors = {}
        for side, by_name, of in (("activation", read, seen.read), ("gradient", written, seen.written)):
            flat = {name: _counted(of(block), seen.counted) for name, block in by_name.items()}
            found[f"{side}_covariance"] = {name: part.T @ part for name, part in flat.items()}
            found[f"num_{side}_covariance_processed"] = {
                name: torch.tensor([len(part)]) for name, part in flat.items()
            }
        return found

    about = "covariances: fitted"
    return _sum(passes.over(model, blocks, rows, at_once, products, about, precision, seed))


def _counted(tokens: torch.Tensor, counted: torch.Tensor | None) -> torch.Tensor:
    """Features of the positions that count, shape (positions, features)."""
    return tokens.flatten(0, 1) if counted is None or bool(counted.all()) else tokens[counted]


def eigendecomposition(covariance: Factors) -> Factors:
    """Eigenvectors of the mean covariances and their eigenvalues, computed in float64."""
    found: Factors = {}
    for side in SIDES:
        vectors, values = (found.setdefault(f"{side}_{what}", {}) for what in ("eigenvectors", "eigenvalues"))
        for name, total in covariance[f"{side}_covariance"].items():
            mean = total.double() / covariance[f"num_{side}_covariance_processed"][name]
            eigenvalues, eigenvectors = torch.linalg.eigh((mean + mean.T).to(parallel.device()) / 2)
            values[name] = eigenvalues.cpu().to(total.dtype).contiguous()
            vectors[name] = eigenvectors.cpu().to(total.dtype).contiguous()
    return found


def lambdas(
    model: PreTrainedModel,
    blocks: Sequence[Block],
    rows: passes.Rows,
    eigen: Factors,
    seed: int,
    at_once: int,
    precision: sections.ScoringPrecision,
) -> Factors:
    """Sums over samples of (Q_S^T grad W Q_A)^2, without bases of grad W^2, and the number of samples.

    On labels sampled from the model, by `seed`.
    """
    bases = bases_of(model, eigen)

    def squares(seen: Seen, losses: torch.Tensor) -> Factors:
        found: Factors = {"lambda_matrix": {}, "num_lambda_processed": {}}
        for block, parts in rotated_gradients(seen, blocks, bases):
            squares_of = [part.square_().sum(dim=0) for part in parts]
            found["lambda_matrix"][block.name] = functools.reduce(torch.Tensor.add_, squares_of)
            found["num_lambda_processed"][block.name] = torch.tensor([len(losses)])
        return found

    return _sum(passes.over(model, blocks, rows, at_once, squares, "lambda: fitted", precision, seed))


def bases_of(model: PreTrainedModel, eigen: Factors) -> Bases:
    """The eigenvectors, if there are any, on the model's device: side -> name of what is read or written."""
    place = next(model.parameters()).device
    return {
        side: {name: basis.to(place) for name, basis in eigen.get(f"{side}_eigenvectors", {}).items()}
        for side in SIDES
    }


def rotated_gradients(
    seen: Seen, blocks: Sequence[Block], bases: Bases
) -> Iterator[tuple[Block, Iterator[torch.Tensor]]]:
    """Each sample's gradient in each block, in the bases: Q_S^T grad W Q_A; grad W without bases.

    Yields:
        A block, and its gradients for some samples after the other, shape (samples, outputs, inputs).
    """
    # Blocks that share a side share its rotation.
    rotated: dict[str, dict[str, torch.Tensor]] = {side: {} for side in SIDES}

    def side_of(block: Block, side: str, name: str, of: Callable[[Block], torch.Tensor]) -> torch.Tensor:
        if name not in rotated[side]:
            values = of(block)
            rotated[side][name] = values @ bases[side][name] if bases[side] else values
        return rotated[side][name]

    for block in blocks:
        read = side_of(block, "activation", block.read, seen.read)
        written = side_of(block, "gradient", block.written, seen.written)
        # The gradients of whole MLPs are large: so many samples at once as fit beside the rest.
        together = max(1, GRADIENTS // (read.shape[-1] * written.shape[-1]))
        sides = zip(read.split(together), written.split(together), strict=True)
        yield block, (watching.sample_gradients(*part) for part in sides)


def fit(
    model: PreTrainedModel,
    blocks: Sequence[Block],
    rows: passes.Rows,
    strategy: str,
    seed: int,
    at_once: int,
    precision: sections.ScoringPrecision,
) -> Factors:
    """All that a strategy needs, in one go; the identity needs nothing."""
    needs, found = FactorConfig.CONFIGS[strategy], Factors()
    if needs.requires_covariance_matrices:
        found |= covariances(model, blocks, rows, seed, at_once, precision)
    eigen = eigendecomposition(found) if needs.requires_eigendecomposition else {}
    if needs.requires_lambda_matrices:
        found |= lambdas(model, blocks, rows, eigen, seed, at_once, precision)
    return found | eigen


class Preconditioned(NamedTuple):
    """(H + damping x mean eigenvalue)^-1 gradient of one block.

    Attributes:
        weights: shape (outputs, inputs).
        floored: the share of the damped eigenvalues that the floor raised; 0 without one.
        flat: whether all eigenvalues are zero, for no fitted sample has a gradient here; so are `weights`, if
            there is no floor.
    """

    weights: torch.Tensor
    floored: float
    flat: bool


def preconditioned(
    block: Block,
    gradient: torch.Tensor,
    factors: Factors,
    strategy: str,
    damping: float,
    floor: float | None = None,
) -> Preconditioned:
    """See `Preconditioned`; with a floor, no damped eigenvalue is less than it."""
    needs = FactorConfig.CONFIGS[strategy]
    storage = {}
    if needs.requires_eigendecomposition_for_precondition:
        for side, name in zip(SIDES, (block.read, block.written), strict=True):
            for what in ("eigenvectors", "eigenvalues"):
                storage[f"{side}_{what}"] = factors[f"{side}_{what}"][name]
    if needs.requires_lambda_matrices_for_precondition:
        for what in ("lambda_matrix", "num_lambda_processed"):
            storage[what] = factors[what][block.name].clone()
    # Of K-FAC the eigenvalues are products; the identity has none.
    values = [each for name, each in storage.items() if name == "lambda_matrix"]
    if not needs.requires_lambda_matrices_for_precondition:
        values = [each for name, each in storage.items() if name.endswith("_eigenvalues")]
    flat = not all(each.any() for each in values)
    if flat and floor is None:
        # 0 / 0. The limit for any fixed damping: what has no gradient has no influence.
        return Preconditioned(torch.zeros_like(gradient), 0.0, flat)
    # Damping relative to each block's own mean.
    arguments = ScoreArguments(damping_factor=None)
    with relative_damping(damping), torch.no_grad():
        needs.prepare(storage, arguments, gradient.device)
        floored = 0.0
        if values and floor is not None:
            floored = _raise_to(floor, storage["lambda_matrix"])
        weights = needs.precondition_gradient(gradient[None].clone(), storage)[0]
    return Preconditioned(weights, floored, flat)


def _raise_to(floor: float, inverse: torch.Tensor) -> float:
    """Raise eigenvalues to a floor, in place, given their inverses; returns the share of those below."""
    # Negative by rounding.
    below = (inverse > 1 / floor) | (inverse < 0)
    inverse[below] = 1 / floor
    return float(below.double().mean())


@contextmanager
def relative_damping(scale: float) -> Iterator[None]:
    """Within, damping is `scale` times a block's mean eigenvalue; kronfluence has 0.1 as a constant."""
    before = factor_config.HEURISTIC_DAMPING_SCALE
    factor_config.HEURISTIC_DAMPING_SCALE = scale
    try:
        yield
    finally:
        factor_config.HEURISTIC_DAMPING_SCALE = before


def _sum(parts: Iterable[Factors]) -> Factors:
    """The sum of batches, on the CPU."""
    total: Factors = {}
    for part in parts:
        for name, group in part.items():
            mine = total.setdefault(name, {})
            for key, tensor in group.items():
                mine[key] = mine[key].add_(tensor) if key in mine else tensor
    return {name: {key: tensor.cpu() for key, tensor in group.items()} for name, group in total.items()}


def flatten(factors: Factors) -> dict[str, torch.Tensor]:
    """Factors as one flat dictionary for safetensors, keyed `factor/what`."""
    return {
        f"{name}/{of}": tensor.contiguous() for name, group in factors.items() for of, tensor in group.items()
    }


def unflatten(tensors: dict[str, torch.Tensor]) -> Factors:
    """Undo `flatten`."""
    factors: Factors = {}
    for key, tensor in tensors.items():
        name, of = key.split("/", 1)
        factors.setdefault(name, {})[of] = tensor
    return factors
