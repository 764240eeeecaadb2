"""Passes over training samples: forward, and backward to what is watched, as many at once as fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from mda import memory, parallel, sections
from mda import model as models
from mda.errors import UserError
from mda.progress import Progress
from mda.tokens import TokenStore
from mda.watching import Block, Seen, watched

log = logging.getLogger(__name__)

Result = TypeVar("Result")
# (logits, row numbers) -> labels, in place of the next tokens.
Labels = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Rows(NamedTuple):
    """Rows of a token store, by their numbers."""

    store: TokenStore
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


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


def over(
    model: PreTrainedModel,
    blocks: Sequence[Block],
    rows: Rows,
    at_once: int,
    work: Callable[[Seen, torch.Tensor], Result],
    about: str,
    precision: sections.Precision = "fp32",
    labels: Labels | None = None,
) -> Iterator[Result]:
    """Differentiate each row's summed cross-entropy, a batch at a time.

    A batch that does not fit the GPU is halved, and so are those after it.

    Args:
        at_once: the most rows of a batch; fewer where memory is expected not to suffice.
        work: what to do with a batch: (what was seen, each row's summed cross-entropy in nats) -> result. It
            must leave nothing behind, for a batch that does not fit is begun again.
        about: what the progress says.

    Raises:
        UserError: when a single row does not fit the GPU.
    """
    progress, begin = Progress(about, len(rows)), 0
    at_once = min(at_once, memory.rows_at_once(model, rows.store.tokens.shape[1] - 1))
    with watched(model, blocks) as seen:
        while begin < len(rows):
            part = rows.rows[begin : begin + at_once]
            try:
                result = _batch(model, seen, rows.store, part, work, precision, labels)
            except torch.cuda.OutOfMemoryError:
                if at_once == 1:
                    raise UserError(
                        "one row does not fit the GPU; set numerics.attention to sdpa or lower tokens.context"
                    ) from None
                at_once //= 2
                log.info("out of GPU memory: going on with %d rows at once", at_once)
                torch.cuda.empty_cache()
                continue
            finally:
                seen.clear()
            begin += len(part)
            progress.advance(len(part))
            yield result


def _batch(
    model: PreTrainedModel,
    seen: Seen,
    store: TokenStore,
    rows: np.ndarray,
    work: Callable[[Seen, torch.Tensor], Result],
    precision: sections.Precision,
    labels: Labels | None,
) -> Result:
    place = parallel.device()
    tokens = torch.from_numpy(store.take(rows)).to(place)
    with models.precision(place, precision):
        logits = model(tokens[:, :-1], use_cache=False).logits
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    wanted = tokens[:, 1:] if labels is None else labels(logits, torch.from_numpy(rows))
    losses = models.cross_entropies(logits, wanted).sum(dim=1)
    losses.sum().backward()
    with torch.no_grad():
        return work(seen, losses.detach())
