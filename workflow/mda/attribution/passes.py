"""Forward and backward passes over training samples, in batches that fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from mda.attribution import watching
from mda.attribution.watching import Block, Seen, watched
from mda.config import sections
from mda.corpus.tokens import PADDED, TokenStore
from mda.models import compilation, memory, output_layer
from mda.models import model as models
from mda.runtime import parallel
from mda.runtime.errors import UserError
from mda.runtime.progress import Progress

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# Operations of a pass over rows from which compiling pays. On an H200 it took 11 s, and saved a quarter of
# the time at Pythia-160M's shape, where so many take a minute.
WORTH_COMPILING = 2e16


class Rows(NamedTuple):
    """Rows of a token store, by their numbers."""

    store: TokenStore
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def over(
    model: PreTrainedModel,
    blocks: Sequence[Block],
    rows: Rows,
    at_once: int,
    work: Callable[[Seen, torch.Tensor], Result],
    about: str,
    precision: sections.ScoringPrecision = "fp32",
    label_seed: int | None = None,
) -> Iterator[Result]:
    """Differentiate each row's summed cross-entropy, a batch at a time; what fills a row up counts nothing.

    A batch that does not fit the GPU is halved, and so are those after it.

    Args:
        at_once: the most rows of a batch; fewer where memory is expected not to suffice.
        work: what to do with a batch: (what was seen, each row's summed cross-entropy in nats) -> result. It
            must leave nothing behind, for a batch that does not fit is begun again.
        about: what the progress says.
        label_seed: differentiate the loss of labels drawn from the model's predictions by this seed and the
            row, for the true Fisher, in place of that of the next tokens.

    Raises:
        UserError: when a single row does not fit the GPU.
    """
    progress, begin = Progress(about, len(rows)), 0
    layers, context = watching.layers_of(model, blocks), rows.store.tokens.shape[1] - 1
    differentiated = model.config.num_hidden_layers - min(layers, default=0)
    at_once = min(at_once, memory.rows_at_once(model, context, logits=False, layers=differentiated))
    with watched(model, blocks) as seen, _compiled(model, layers, len(rows) * context) as compiled:
        while begin < len(rows):
            part = rows.rows[begin : begin + at_once]
            if compiled and len(part) < at_once:
                # Of another shape, which would be compiled for this batch alone.
                compilation.undo(model)
            try:
                result = _batch(model, seen, rows.store, part, work, precision, label_seed)
            except torch.cuda.OutOfMemoryError:
                if at_once == 1:
                    raise UserError(
                        "one row does not fit the GPU; set numerics.attention to sdpa or lower tokens.context"
                    ) from None
                at_once //= 2
                log.info("out of GPU memory: going on with %d rows at once", at_once)
                torch.cuda.empty_cache()
                continue
            except RuntimeError as error:
                # Only what was just compiled for the first time.
                if not compiled or begin > 0:
                    raise
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                log.warning("compiling fails here (%s): going on without", reason)
                compiled = False
                compilation.undo(model)
                continue
            finally:
                seen.clear()
            begin += len(part)
            progress.advance(len(part))
            yield result


@contextmanager
def _compiled(model: PreTrainedModel, watched: Collection[int], tokens: int) -> Iterator[bool]:
    """Within, layers that are not watched are compiled, on a GPU, where this saves more than it takes."""
    # A pass backwards takes as much again: weights have no gradients.
    worth = 2 * compilation.products(model, tokens) >= WORTH_COMPILING
    if parallel.device().type != "cuda" or not worth:
        yield False
        return
    log.info("compiling the layers without targets: the first batch takes some seconds more")
    compilation.compile_layers(model, watched)
    try:
        yield True
    finally:
        compilation.undo(model)


def _batch(
    model: PreTrainedModel,
    seen: Seen,
    store: TokenStore,
    rows: np.ndarray,
    work: Callable[[Seen, torch.Tensor], Result],
    precision: sections.ScoringPrecision,
    label_seed: int | None,
) -> Result:
    place = parallel.device()
    tokens = torch.from_numpy(store.take(rows)).to(place)
    # What fills a row up comes after all that counts, which attention does not see from before.
    seen.counted = tokens[:, 1:] != PADDED
    tokens = tokens.where(tokens != PADDED, 0)
    read = tokens[:, :-1]
    with models.precision(place, precision):
        if label_seed is None:
            losses = output_layer.losses(model, read, tokens[:, 1:])
        else:
            points = output_layer.points_of(rows, read.shape[1], label_seed).to(place)
            losses = output_layer.losses(model, read, None, points)
    losses = losses.where(seen.counted, 0).sum(dim=1)
    losses.sum().backward()
    with torch.no_grad():
        return work(seen, losses.detach())
