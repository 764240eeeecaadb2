"""The scores that the checks of influence at a checkpoint need, by the passes that score all samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from mda.attribution import drawn_anew, influence, score_shards
from mda.attribution.influence import Query
from mda.attribution.passes import Rows
from mda.config import sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.runtime import files


class Found(NamedTuple):
    """Scores of one target.

    Attributes:
        real: of the model, shape (samples,).
        own, every: of models whose weights of the target, or all, were drawn anew, shape (draws, samples).
        constant: with a probe that is constant, shape (samples,).
        empty: of rows without a token that counts, shape (rows,).
    """

    real: np.ndarray
    own: np.ndarray
    every: np.ndarray
    constant: np.ndarray
    empty: np.ndarray


@dataclass(frozen=True)
class Scoring:
    """How a model is scored.

    Attributes:
        fitted, scored: the samples of the curvature, and those that get scores.
    """

    checkpoint: Path
    numerics: sections.Numerics
    fit: sections.Fit
    damping: float
    floor: float | None
    fitted: Rows
    scored: Rows

    def model(self) -> PreTrainedModel:
        """The checkpoint's."""
        return models.load(self.checkpoint, self.numerics.attention, self.numerics.attribution)

    def scores(
        self,
        model: PreTrainedModel,
        targets: Sequence[unit_sections.Target],
        queries: Sequence[Query],
        also: Sequence[Rows] = (),
    ) -> list[dict[str, np.ndarray]]:
        """Influence on every target of the scored samples, and of other rows.

        The model is frozen, and its curvature fitted anew.

        Returns:
            Target -> shape (samples,), for the scored samples and each of `also`.
        """
        units = list(dict.fromkeys(unit for query in queries for unit in query.units))
        tracker = influence.Tracker(model, units, self.fit.seed, queries, precision=self.numerics.attribution)
        factors = tracker.fit(self.fitted, self.fit.strategy, self.fit.batch_size)
        found = []
        for rows in (self.scored, *also):
            results = tracker.score(
                rows, factors, self.fit.strategy, self.damping, self.fit.batch_size, self.floor
            )
            table = score_shards.table(results, targets, rows.rows, rows.rows).to_pandas()
            found.append({name: part["influence"].to_numpy() for name, part in table.groupby("target")})
        return found


def constant(query: Query) -> Query:
    """The query with 0 times its probe, which passes through all that the probe does."""
    parts = getattr(query.probe, "parts", (query.probe,))

    def zero(model: nn.Module, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        return 0 * torch.stack([part(model, tokens, units) for part in parts]).sum()

    return dataclasses.replace(query, probe=zero)


def empty_rows(store: TokenStore, rows: int, path: Path) -> Rows:
    """Rows that are nothing but what fills rows up, in a store of their own at `path`."""
    kept = store.tokens
    files.write_array(path, np.full((rows, kept.shape[1]), np.iinfo(kept.dtype).max, kept.dtype))
    return Rows(TokenStore(path), np.arange(rows))


def found(
    scoring: Scoring,
    targets: Sequence[unit_sections.Target],
    queries: Sequence[Query],
    seeds: Sequence[int],
    empty: Rows,
) -> Iterator[tuple[str, Found]]:
    """Every target with the scores of its checks.

    Args:
        queries: of the targets, in their order.
        seeds: of the weights that are drawn anew.
    """
    real, of_empty = scoring.scores(scoring.model(), targets, queries, [empty])
    [flat] = scoring.scores(scoring.model(), targets, [constant(query) for query in queries])
    every = []
    for seed in seeds:
        model = scoring.model()
        drawn_anew.draw(model, seed, None)
        every += scoring.scores(model, targets, queries)
    for target, query in zip(targets, queries, strict=True):
        name, own = target.name, []
        for seed in seeds:
            model = scoring.model()
            drawn_anew.draw(model, seed, drawn_anew.blocks_of(model, query.units, target.blocks))
            [scores] = scoring.scores(model, [target], [query])
            own.append(scores[name])
        drawn = np.array([scores[name] for scores in every])
        yield name, Found(real[name], np.array(own), drawn, flat[name], of_empty[name])
