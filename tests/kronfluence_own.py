"""kronfluence's own passes over the samples, for comparison: each block is a module of its own (`taps`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import independent
import numpy as np
import taps
import torch
from kronfluence.analyzer import prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.factor.config import FactorConfig
from kronfluence.factor.covariance import fit_covariance_matrices_with_loader
from kronfluence.factor.eigen import fit_lambda_matrices_with_loader, perform_eigendecomposition
from kronfluence.score.pairwise import compute_pairwise_scores_with_loaders
from kronfluence.task import Task
from kronfluence.utils.state import State
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mda.attribution import passes
from mda.attribution.influence import Query
from mda.models import model as models
from mda.models.units import Unit


class Rows(Dataset):
    """Rows of a token store, each with its number."""

    def __init__(self, rows: passes.Rows) -> None:
        self.store, self.rows = rows

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


class UnitTask(Task):
    """kronfluence's view of the model: its loss, and the probes' values."""

    def __init__(self, modules: list[str], label_seed: int, queries: Sequence[Query]) -> None:
        self.modules, self.label_seed, self.queries = modules, label_seed, queries

    def compute_train_loss(
        self, batch: dict[str, torch.Tensor], model: nn.Module, sample: bool = False
    ) -> torch.Tensor:
        tokens = batch["tokens"]
        logits = model(tokens[:, :-1], use_cache=False).logits
        labels = (
            independent.sampled_labels(logits, batch["row"], self.label_seed) if sample else tokens[:, 1:]
        )
        return functional.cross_entropy(logits.transpose(1, 2), labels, reduction="sum")

    def compute_measurement(self, batch: dict[str, torch.Tensor], model: nn.Module) -> torch.Tensor:
        """Minus the probe: kronfluence's score has no sign of its own, so this makes it I_MDA."""
        query = self.queries[int(batch["query"])]
        with models.attention(model, "eager"), taps.grouped(model, len(query.tokens)):
            kept: list[torch.Tensor] = []
            handle = model.register_forward_hook(lambda module, given, output: kept.append(output.logits))
            value = query.probe(model, query.tokens, query.units)
            handle.remove()
            # kronfluence needs a gradient of every tracked block, if a zero one.
            return -value + 0 * kept[0].sum()

    def get_influence_tracked_modules(self) -> list[str]:
        return self.modules


class Tracker:
    """A model whose units are tapped and tracked.

    Attributes:
        names: unit -> block -> module name.
    """

    def __init__(
        self, model: nn.Module, units: Sequence[Unit], label_seed: int, queries: Sequence[Query] = ()
    ) -> None:
        self.names = taps.split(model, units)
        modules = [name for blocks in self.names.values() for name in blocks.values()]
        self.queries = queries
        self.task = UnitTask(modules, label_seed, queries)
        self.model = prepare_model(model, self.task)

    def fit(self, rows: passes.Rows, strategy: str, batch_size: int) -> dict[str, dict[str, torch.Tensor]]:
        """All factors of a strategy: factor -> module -> tensor."""
        needs = FactorConfig.CONFIGS[strategy]
        shared: dict[str, Any] = {
            "model": self.model,
            "state": State(cpu=True),
            "factor_args": _arguments(strategy),
            "disable_tqdm": True,
        }
        data = {"task": self.task, "loader": DataLoader(Rows(rows), batch_size=batch_size)}
        found: dict[str, dict[str, torch.Tensor]] = {}
        if needs.requires_covariance_matrices:
            found |= fit_covariance_matrices_with_loader(**data, **shared)[1]
        eigen = {}
        if needs.requires_eigendecomposition:
            eigen = perform_eigendecomposition(covariance_factors=found, **shared)
        if needs.requires_lambda_matrices:
            found |= fit_lambda_matrices_with_loader(eigen_factors=eigen or None, **data, **shared)[1]
        return {**found, **eigen}

    def score(
        self, rows: passes.Rows, factors: dict[str, dict[str, torch.Tensor]], strategy: str,
        damping: float | None, batch_size: int, by_position: bool = False,
    ) -> Iterator[tuple[Query, dict[str, np.ndarray]]]:  # fmt: skip
        """As `Tracker.score` of influence; `damping` is absolute; None is that around the call."""
        needs = FactorConfig.CONFIGS[strategy]
        used = {
            name: factor
            for name, factor in factors.items()
            if ("eigen" in name and needs.requires_eigendecomposition_for_precondition)
            or ("lambda" in name and needs.requires_lambda_matrices_for_precondition)
        }
        scores = compute_pairwise_scores_with_loaders(
            loaded_factors=used,
            model=self.model,
            state=State(cpu=True),
            task=self.task,
            query_loader=DataLoader(_Queries(len(self.queries)), batch_size=1),
            per_device_query_batch_size=1,
            train_loader=DataLoader(Rows(rows), batch_size=batch_size),
            score_args=ScoreArguments(
                damping_factor=damping,
                compute_per_module_scores=True,
                compute_per_token_scores=by_position,
                query_gradient_accumulation_steps=len(self.queries),
            ),
            factor_args=_arguments(strategy),
            tracked_module_names=self.task.modules,
            disable_tqdm=True,
        )
        for number, query in enumerate(self.queries):
            parts: dict[str, np.ndarray] = {}
            for unit in query.units:
                for block, name in self.names[unit].items():
                    part = scores[name][number].float().numpy()
                    parts[block] = parts[block] + part if block in parts else part
            yield query, parts


def _arguments(strategy: str) -> FactorArguments:
    return FactorArguments(
        strategy=strategy, use_empirical_fisher=False, covariance_max_examples=None, lambda_max_examples=None
    )
