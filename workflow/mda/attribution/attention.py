"""What the heads of a target attend to in a text, and how well the model predicts each of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from mda.config import sections
from mda.corpus.tokens import PADDED, TokenStore
from mda.models import architectures, memory
from mda.models import model as models
from mda.models.units import Attention, Head, Unit


class Attended(NamedTuple):
    """Attention in one text of T + 1 tokens, of which the model reads the first T.

    Attributes:
        places: by position the tokens that it attends to most, the most first, fewer at the beginning; shape
            (T, most), -1 where there are no more.
        shares: how much of its attention goes there, from 0 to 1, in half precision; 0 where there is none.
        received: by token the mean attention to it from the positions that may attend to it, itself and all
            later ones; shape (T,), in half precision.
    """

    places: np.ndarray
    shares: np.ndarray
    received: np.ndarray


@torch.no_grad()
def passes(
    model: PreTrainedModel,
    units: Sequence[Unit],
    store: TokenStore,
    rows: np.ndarray,
    precision: sections.ScoringPrecision = "fp32",
) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
    """The attention of the units and the loss of every prediction, a row at a time.

    Args:
        units: of which the heads count, and all heads of a whole attention; others attend to nothing.
        rows: of `store`.

    Yields:
        Attention, the mean over the heads: shape (T, T), from each position of the T that the model reads to
        each token, with rows that sum to 1; None without heads. And the cross-entropies of the predictions of
        the tokens after the first: shape (T,), in nats. What fills a row up is not among the T.
    """
    layers = sorted({unit.layer for unit in units if isinstance(unit, (Head, Attention))})
    place = next(model.parameters()).device
    with models.attention(model, "eager"):
        for part in store.parts(rows, memory.rows_at_once(model, store.context)):
            labels = torch.from_numpy(part)
            # No position attends to what is behind it, so what fills a row up changes nothing before it.
            tokens = labels.where(labels != PADDED, 0).to(place)
            with models.precision(place, precision), ExitStack() as hooks:
                patterns = {layer: hooks.enter_context(_pattern(model, layer)) for layer in layers}
                logits = model(tokens[:, :-1], use_cache=False).logits
            losses = models.cross_entropies(logits.float(), tokens[:, 1:]).cpu().numpy()
            mean = _mean({layer: kept[0] for layer, kept in patterns.items()}, units)
            for number, row in enumerate(part):
                length = int((row != PADDED).sum()) - 1
                attention = None if mean is None else mean[number, :length, :length].cpu().numpy()
                yield attention, losses[number, :length]


@contextmanager
def _pattern(model: PreTrainedModel, layer: int) -> Iterator[list[torch.Tensor]]:
    """Within, what a layer's attention computes is kept: a list of one pattern, (batch, heads, T, T)."""
    whole, _, _ = architectures.of(model).output.rpartition(".")
    kept: list[torch.Tensor] = []
    # A layer's attention gives what it writes, and its pattern.
    handle = architectures.module(model, layer, whole).register_forward_hook(
        lambda _, __, given: kept.append(given[1])
    )
    try:
        yield kept
    finally:
        handle.remove()


def _mean(patterns: dict[int, torch.Tensor], units: Sequence[Unit]) -> torch.Tensor | None:
    """Mean over the heads of the units, shape (batch, T, T)."""
    chosen = [
        patterns[unit.layer] if isinstance(unit, Attention) else patterns[unit.layer][:, unit.number, None]
        for unit in units
        if isinstance(unit, (Head, Attention))
    ]
    return torch.cat(chosen, dim=1).float().mean(dim=1) if chosen else None


def summary(attention: np.ndarray, most: int) -> Attended:
    """What a page shows of a pattern of shape (T, T): the `most` strongest places of every position."""
    length = len(attention)
    kept = min(most, length)
    # Ties go to the earlier token.
    order = np.argsort(-attention, axis=1, kind="stable")[:, :kept]
    shares = np.take_along_axis(attention, order, axis=1)
    behind = order > np.arange(length)[:, None]
    places = np.full((length, most), -1, np.int32)
    places[:, :kept] = np.where(behind, -1, order)
    found = np.zeros((length, most), np.float16)
    found[:, :kept] = np.where(behind, 0, shares)
    able = np.arange(length, 0, -1)
    return Attended(places, found, (attention.sum(axis=0) / able).astype(np.float16))
