"""Influence of training samples on units, by EK-FAC restricted to the units' parameters.

    I(z) = - grad L(z)^T  H^-1  grad f        (arXiv 2601.21996, eq. for I_MDA)

L is the summed cross-entropy of the sample, f the probe (higher is better), H the damped
curvature of each block. I > 0: training on z strengthens the unit.

Everything that touches kronfluence (pinned, no longer maintained) is in this module. Its
computing functions are called directly and its `Analyzer` is not: that one keeps results by
file name, writes them half, and returns those of another model in silence; which results are
current is the workflow's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from kronfluence.analyzer import prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.factor import config as factor_config
from kronfluence.factor.config import FactorConfig
from kronfluence.factor.covariance import fit_covariance_matrices_with_loader
from kronfluence.factor.eigen import fit_lambda_matrices_with_loader, perform_eigendecomposition
from kronfluence.score.pairwise import compute_pairwise_scores_with_loaders
from kronfluence.task import Task
from kronfluence.utils.state import State
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mda import model as models
from mda import sections, surgery
from mda.errors import UserError
from mda.progress import Progress
from mda.tokens import TokenStore
from mda.units import Unit

Factors = dict[str, dict[str, torch.Tensor]]
AMP = {"fp32": None, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Query:
    """What one target is asked: a probe, on its tokens.

    Attributes:
        target: the target's name.
        units: its heads or neurons.
        probe: the measure; see `mda.probes`.
        tokens: shape (sequences, length); the probe is summed over all of them.
    """

    target: str
    units: Sequence[Unit]
    probe: Callable[[nn.Module, torch.Tensor, Sequence[Any]], torch.Tensor]
    tokens: torch.Tensor


class Rows(Dataset):
    """Rows of a token store, each with its number."""

    def __init__(self, store: TokenStore, rows: np.ndarray) -> None:
        self.store, self.rows = store, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = self.rows[index : index + 1]
        return {"tokens": torch.from_numpy(self.store.take(row)[0]), "row": torch.from_numpy(row)[0]}


class _Queries(Dataset):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"query": torch.tensor(index)}


def sampled_labels(logits: torch.Tensor, rows: torch.Tensor, seed: int) -> torch.Tensor:
    """Labels drawn from the model's own predictions, for the true Fisher.

    Drawn by inverse transform from random numbers that depend on the seed and the row alone,
    so that factors do not depend on the batch size or the order of the rows.

    Args:
        logits: shape (batch, context, vocabulary).
        rows: row numbers, shape (batch,).

    Returns:
        Shape (batch, context), int64.
    """
    labels = []
    # A row at a time: in float64, a batch's probabilities may be larger than the model.
    for row, scores in zip(rows, logits.detach(), strict=True):
        draws = np.random.default_rng([seed, int(row)]).random(len(scores))
        cumulative = scores.double().softmax(dim=-1).cumsum(dim=-1)
        # The last sum may fall short of one by rounding.
        points = torch.from_numpy(draws).to(logits.device)[:, None] * cumulative[:, -1:]
        labels.append(torch.searchsorted(cumulative, points, right=True)[:, 0])
    return torch.stack(labels).clamp_max(logits.shape[-1] - 1)


class UnitTask(Task):
    """kronfluence's view of the model: its loss, and the probes' values."""

    def __init__(self, modules: list[str], label_seed: int, queries: Sequence[Query] = ()) -> None:
        self.modules = modules
        self.label_seed = label_seed
        self.queries = queries
        self.losses: list[torch.Tensor] = []
        self.progress: Progress | None = None

    def compute_train_loss(
        self, batch: dict[str, torch.Tensor], model: nn.Module, sample: bool = False
    ) -> torch.Tensor:
        """Summed next-token cross-entropy; remembers each sample's loss when not sampling."""
        tokens = batch["tokens"]
        logits = model(tokens[:, :-1], use_cache=False).logits.float()
        labels = sampled_labels(logits, batch["row"], self.label_seed) if sample else tokens[:, 1:]
        losses = models.cross_entropies(logits, labels).sum(dim=1)
        if not sample:
            self.losses.append(losses.detach().cpu())
        if self.progress is not None:
            self.progress.advance(len(tokens))
        return losses.sum()

    def compute_measurement(self, batch: dict[str, torch.Tensor], model: nn.Module) -> torch.Tensor:
        """Minus the probe: kronfluence's score has no sign of its own, so this makes it I_MDA."""
        query = self.queries[int(batch["query"])]
        logits: list[torch.Tensor] = []
        handle = model.register_forward_hook(lambda module, inputs, output: logits.append(output.logits))
        try:
            # A probe may read attention patterns.
            with models.attention(model, "eager"), surgery.grouped(model, len(query.tokens)):
                value = query.probe(model, query.tokens, query.units)
        finally:
            handle.remove()
        # The blocks keep the activations of one call, and join its sequences into one sample.
        if len(logits) != 1 or len(logits[0]) != len(query.tokens):
            raise UserError(
                f"probe of target {query.target}: must call the model exactly once, on all its "
                f"{len(query.tokens)} sequences, but the calls had {[len(part) for part in logits]}"
            )
        # A probe of an early layer does not reach the later blocks; kronfluence needs a gradient
        # of every tracked block, if a zero one.
        return -value + 0 * logits[0].sum()

    def get_influence_tracked_modules(self) -> list[str]:
        """The blocks of all units."""
        return self.modules


class Tracker:
    """A model whose target units are tapped and tracked.

    Attributes:
        names: unit -> block -> module name.
        precision: of the model's passes; bf16 is autocast, whose gradients and activations are
            turned to float32 before anything is summed, inverted or multiplied.
    """

    def __init__(
        self,
        model: nn.Module,
        units: Sequence[Unit],
        label_seed: int,
        queries: Sequence[Query] = (),
        precision: sections.Precision = "fp32",
    ) -> None:
        """Tap the model in place and wrap it; it cannot be trained afterwards."""
        self.state = State(cpu=not torch.cuda.is_available())
        self.names = surgery.split(model, units)
        modules = [name for blocks in self.names.values() for name in blocks.values()]
        self.task = UnitTask(modules, label_seed, queries)
        self.model = prepare_model(model, self.task)
        self.precision = precision

    def fit(self, rows: Rows, strategy: str, batch_size: int) -> Factors:
        """Curvature factors of every block, in one go; see the three passes below.

        All of them are float32, on labels sampled from the model (George et al. 2018, arXiv
        1806.03884). The identity needs none.
        """
        needs = FactorConfig.CONFIGS[strategy]
        covariance: Factors = {}
        eigen: Factors = {}
        fisher: Factors = {}
        if needs.requires_covariance_matrices:
            covariance = self.covariances(rows, strategy, batch_size)
        if needs.requires_eigendecomposition:
            eigen = self.eigendecomposition(covariance, strategy)
        if needs.requires_lambda_matrices:
            fisher = self.lambdas(rows, eigen, strategy, batch_size)
        return {**covariance, **eigen, **fisher}

    def covariances(self, rows: Rows, strategy: str, batch_size: int) -> Factors:
        """Sums over tokens of x x^T and g g^T, and their numbers: A = E[x x^T], S = E[g g^T]."""
        self.task.progress = Progress("covariances: fitted", len(rows))
        _, sums = fit_covariance_matrices_with_loader(
            task=self.task, loader=DataLoader(rows, batch_size=batch_size), **self._common(strategy)
        )
        return sums

    def eigendecomposition(self, covariance: Factors, strategy: str) -> Factors:
        """Eigenvectors Q_A, Q_S of the covariances, and their eigenvalues, computed in float64."""
        return perform_eigendecomposition(covariance_factors=covariance, **self._common(strategy))

    def lambdas(self, rows: Rows, eigen: Factors, strategy: str, batch_size: int) -> Factors:
        """Sums over samples of (Q_S^T grad W Q_A)^2, without bases of grad W^2, and their number."""
        self.task.progress = Progress("lambda: fitted", len(rows))
        _, sums = fit_lambda_matrices_with_loader(
            eigen_factors=eigen or None,
            task=self.task,
            loader=DataLoader(rows, batch_size=batch_size),
            **self._common(strategy),
        )
        return sums

    def _common(self, strategy: str) -> dict[str, Any]:
        arguments = _factor_arguments(strategy, self.precision)
        return {"model": self.model, "state": self.state, "factor_args": arguments, "disable_tqdm": True}

    def score(
        self, rows: Rows, factors: Factors, strategy: str, damping: float, batch_size: int
    ) -> Iterator[tuple[Query, dict[str, np.ndarray]]]:
        """Influence of each row on each query's target, all in one pass over the rows.

        Args:
            damping: added to the eigenvalues, as a multiple of each block's mean eigenvalue.

        Yields:
            A query, and the parts of its units' blocks, each summed over the units (`qk`, `v`,
            `o` of heads, `in`, `out` of neurons), and `loss`: the row's summed cross-entropy in
            nats; float32 arrays of shape (rows,).
        """
        scores = self._pairwise(rows, factors, strategy, damping, batch_size)
        loss = torch.cat(self.task.losses).float().numpy()
        for query, parts in self._by_query(scores):
            yield query, {**parts, "loss": loss}

    def score_tokens(
        self, rows: Rows, factors: Factors, strategy: str, damping: float, batch_size: int
    ) -> Iterator[tuple[Query, dict[str, np.ndarray]]]:
        """The same by input position (Grosse et al. 2023, arXiv 2308.03296).

        The gradient of a block is a sum over positions of g x^T, and so is the score. A position
        counts for what the block does there, which the losses of later positions depend on too.

        Yields:
            A query, and its parts: float32 arrays of shape (rows, context), whose sums over
            positions are those of `score`.
        """
        yield from self._by_query(
            self._pairwise(rows, factors, strategy, damping, batch_size, by_position=True)
        )

    def _by_query(self, scores: dict[str, torch.Tensor]) -> Iterator[tuple[Query, dict[str, np.ndarray]]]:
        for index, query in enumerate(self.task.queries):
            parts: dict[str, np.ndarray] = {}
            for unit in query.units:
                for block, name in self.names[unit].items():
                    part = scores[name][index].float().numpy()
                    parts[block] = parts[block] + part if block in parts else part
            yield query, parts

    def _pairwise(
        self,
        rows: Rows,
        factors: Factors,
        strategy: str,
        damping: float,
        batch_size: int,
        by_position: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Module name -> scores, shape (queries, rows) or (queries, rows, context)."""
        needs = FactorConfig.CONFIGS[strategy]
        used = {
            name: factor
            for name, factor in factors.items()
            if ("eigen" in name and needs.requires_eigendecomposition_for_precondition)
            or ("lambda" in name and needs.requires_lambda_matrices_for_precondition)
        }
        self.task.losses.clear()
        self.task.progress = Progress("scored", len(rows))
        with _relative_damping(damping):
            return compute_pairwise_scores_with_loaders(
                loaded_factors=used,
                model=self.model,
                state=self.state,
                task=self.task,
                query_loader=DataLoader(_Queries(len(self.task.queries)), batch_size=1),
                per_device_query_batch_size=1,
                train_loader=DataLoader(rows, batch_size=batch_size),
                score_args=ScoreArguments(
                    # Each block's own, at the scale that is set around this call.
                    damping_factor=None,
                    compute_per_module_scores=True,
                    compute_per_token_scores=by_position,
                    # All queries before the one pass over the rows.
                    query_gradient_accumulation_steps=len(self.task.queries),
                    amp_dtype=AMP[self.precision],
                ),
                factor_args=_factor_arguments(strategy, self.precision),
                tracked_module_names=self.task.modules,
                disable_tqdm=True,
            )


@contextmanager
def _relative_damping(scale: float) -> Iterator[None]:
    """Within, damping is `scale` times a block's mean eigenvalue; kronfluence has 0.1 as a constant."""
    before = factor_config.HEURISTIC_DAMPING_SCALE
    factor_config.HEURISTIC_DAMPING_SCALE = scale
    try:
        yield
    finally:
        factor_config.HEURISTIC_DAMPING_SCALE = before


def _factor_arguments(strategy: str, precision: sections.Precision) -> FactorArguments:
    # The caller chooses the rows, so no further limit; the other defaults are float32
    # everywhere but the eigendecomposition, which is float64.
    return FactorArguments(
        strategy=strategy,
        use_empirical_fisher=False,
        covariance_max_examples=None,
        lambda_max_examples=None,
        amp_dtype=AMP[precision],
    )


def flatten(factors: Factors) -> dict[str, torch.Tensor]:
    """Factors as one flat dictionary for safetensors, keyed `name/module`."""
    return {
        f"{name}/{module}": tensor.contiguous()
        for name, group in factors.items()
        for module, tensor in group.items()
    }


def unflatten(tensors: dict[str, torch.Tensor]) -> Factors:
    """Undo `flatten`."""
    factors: Factors = {}
    for key, tensor in tensors.items():
        name, module = key.split("/", 1)
        factors.setdefault(name, {})[module] = tensor
    return factors
