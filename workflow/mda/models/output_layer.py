"""Losses at the output layer and their gradients, without ever holding all logits.

Of a small model, most time and memory goes to the vocabulary: 8 rows of 2048 tokens have logits of 3 GiB, and
a loss by autograd keeps, besides them, their probabilities and their gradient. Here a few tokens at a time
pass through the output layer, and what is kept of each is its loss and the gradient of its hidden state,
which is known at once: sum over the vocabulary of p W, minus W of the label (Wijmans et al. 2024, arXiv
2411.09009, do so on a GPU).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

# Logits at a time: few enough for a CPU's cache to help, or to keep a GPU busy and its memory free.
LOGITS = {"cpu": 2**22, "cuda": 2**27}
# Fewer, so many times, where labels are drawn from sums in float64.
DRAWN = 2


def losses(
    model: PreTrainedModel,
    tokens: torch.Tensor,
    labels: torch.Tensor | None,
    points: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of every prediction, in nats, in float32 or better.

    It can be differentiated in what the model's layers compute, not in the output layer's weights.

    Args:
        tokens: what the model reads, shape (batch, context).
        labels: the tokens that follow; None for those drawn from the model's own predictions, by `points`.
        points: numbers between 0 and 1 of the same shape, see `drawn`.

    Returns:
        Shape (batch, context).
    """
    hidden = model.base_model(tokens, use_cache=False).last_hidden_state
    weight = model.get_output_embeddings().weight
    flat = [None if each is None else each.flatten() for each in (labels, points)]
    return _Losses.apply(hidden.flatten(0, 1), weight, *flat).view(tokens.shape)


class _Losses(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        labels: torch.Tensor | None,
        points: torch.Tensor | None,
    ) -> torch.Tensor:
        labelled, place, kind = weight, hidden.device.type, hidden.dtype
        if torch.is_autocast_enabled(place):
            # Once, not once a part.
            hidden, weight = (each.to(torch.get_autocast_dtype(place)) for each in (hidden, weight))
        # Which would turn all logits to float32 before the softmax.
        with torch.autocast(place, enabled=False):
            losses, gradients = _in_parts(hidden, weight, labelled, labels, points)
        context.save_for_backward(gradients.to(kind))
        return losses

    @staticmethod
    def backward(context: Any, *outside: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = context.saved_tensors
        return gradient * outside[0][:, None].to(gradient.dtype), None, None, None


def _in_parts(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    labelled: torch.Tensor,
    labels: torch.Tensor | None,
    points: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses and their gradients in the hidden states; `labelled` is the weight in full precision."""
    exact = torch.promote_types(hidden.dtype, torch.float32)
    found, gradients, wanted = [], [], []
    step = max(1, LOGITS[hidden.device.type] // (len(weight) * (1 if labels is not None else DRAWN)))
    for begin in range(0, len(hidden), step):
        part = slice(begin, begin + step)
        # In the logits' own type, computed in float32: the time goes to reading and writing them.
        shares = torch.softmax(hidden[part] @ weight.T, dim=1)
        if labels is None:
            assert points is not None
            wanted.append(drawn(shares, points[part])[:, None])
        else:
            wanted.append(labels[part, None])
        own = shares.gather(1, wanted[-1]).to(exact)
        others = shares.scatter_(1, wanted[-1], 0)
        rest = others.sum(dim=1, keepdim=True, dtype=exact)
        # Of a token that is all but certain, p W and W of the label nearly cancel: p - 1 from the others.
        gradients.append(others @ weight - rest * labelled[wanted[-1][:, 0]])
        found.append(torch.where(own < 0.5, -own.log(), -torch.log1p(-rest))[:, 0])
    losses = torch.cat(found)
    # Of a share below the smallest number, of which there are few, from the logits.
    labelled_by = torch.cat(wanted)
    for rare in losses.isinf().nonzero()[:, 0].split(step):
        scores = torch.log_softmax((hidden[rare] @ weight.T).to(exact), dim=1)
        losses[rare] = -scores.gather(1, labelled_by[rare])[:, 0]
    return losses, torch.cat(gradients)


def drawn(weights: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Labels drawn in proportion to weights, by inverse transform.

    Args:
        weights: shape (tokens, vocabulary), not negative, of any sum.
        points: numbers between 0 and 1, shape (tokens,); the label is the first whose weights up to and with
            it sum to more than this share.

    Returns:
        Shape (tokens,), int64.
    """
    # Sums of 50,000 small numbers.
    cumulative = weights.cumsum(dim=1, dtype=torch.float64)
    # The whole may be reached by rounding.
    found = torch.searchsorted(cumulative, points[:, None] * cumulative[:, -1:], right=True)
    return found[:, 0].clamp_max(weights.shape[1] - 1)


def points_of(rows: np.ndarray, context: int, seed: int) -> torch.Tensor:
    """Numbers between 0 and 1 that depend on the seed and the row alone, shape (rows, context), float64.

    So that labels drawn by them, and factors, do not depend on the batch size or the order of the rows.
    """
    return torch.from_numpy(
        np.stack([np.random.default_rng([seed, int(row)]).random(context) for row in rows])
    )
