"""Losses at the output layer and their gradients, without ever holding all logits.

Of a small model, most time and memory goes to the vocabulary: 8 rows of 2048 tokens have logits of 3 GiB, and
a loss by autograd keeps, besides them, their probabilities and their gradient. Here a few tokens at a time
pass through the output layer, and what is kept of each is its loss and the gradient of its hidden state,
which is known at once: sum over the vocabulary of p W, minus W of the label (Wijmans et al. 2024, arXiv
2411.09009, do so on a GPU).
"""

from __future__ import annotations

from collections.abc import Callable
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


# (logits, labels) -> (their summed cross-entropy, its gradient in the logits); see `of_logits`.
OfLogits = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
# The label of a token that does not count.
IGNORED = -100


def of_logits(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross-entropy in nats, and its gradient in the logits: p, minus 1 at the label.

    In the logits' own type, computed in float32: the time goes to reading and writing them.

    Args:
        logits: shape (tokens, vocabulary).
        labels: shape (tokens,); a token labelled `IGNORED` does not count.

    Returns:
        A sum without shape, and the gradient in the shape and type of the logits.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)
    counted, wanted = (labels >= 0)[:, None], labels.clamp_min(0)[:, None]
    shares = torch.softmax(logits, dim=1)
    # By the largest logit and its share, which never is 0, unlike that of the label.
    largest = logits.amax(dim=1, keepdim=True).to(exact)
    losses = largest - shares.amax(dim=1, keepdim=True).to(exact).log() - logits.gather(1, wanted)
    # p - 1 from the others: of a token that is all but certain p is rounded to 1.
    gradient = shares.scatter_(1, wanted, 0)
    rest = gradient.sum(dim=1, keepdim=True, dtype=exact).to(gradient.dtype)
    gradient.scatter_(1, wanted, -rest).mul_(counted)
    return (losses * counted).sum(), gradient


def of_logits_to_compile(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `of_logits` computes, written so that `torch.compile` makes few kernels of it."""
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    counted, wanted = (labels >= 0).to(exact.dtype)[:, None], labels.clamp_min(0)[:, None]
    whole = exact.logsumexp(dim=1, keepdim=True)
    losses = whole - exact.gather(1, wanted)
    columns = torch.arange(logits.shape[1], device=logits.device)
    gradient = ((exact - whole).exp() - (columns == wanted).to(exact.dtype)) * counted
    return (losses * counted).sum(), gradient.to(logits.dtype)


def summed(
    model: PreTrainedModel, tokens: torch.Tensor, labels: torch.Tensor, work: OfLogits = of_logits
) -> torch.Tensor:
    """Cross-entropy of all predictions, summed, in nats, in float32 or better.

    It can be differentiated in all weights, those of the output layer included: each part of the tokens adds
    to their gradient.

    Args:
        tokens: what the model reads, shape (batch, context).
        labels: the tokens that follow, of the same shape; `IGNORED` for those that do not count.
        work: `of_logits`, or what computes the same.
    """
    hidden = model.base_model(tokens, use_cache=False).last_hidden_state
    weight = model.get_output_embeddings().weight
    return _Sum.apply(hidden.flatten(0, 1), weight, labels.flatten(), work)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, work: OfLogits
    ) -> torch.Tensor:
        place, kinds = hidden.device.type, (hidden.dtype, weight.dtype)
        total = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32))
        # Sums over all tokens, in the precision of the weights.
        in_weight = torch.zeros_like(weight) if context.needs_input_grad[1] else None
        if torch.is_autocast_enabled(place):
            hidden, weight = (each.to(torch.get_autocast_dtype(place)) for each in (hidden, weight))
        in_hidden = torch.empty_like(hidden)
        with torch.autocast(place, enabled=False):
            for part in _parts(len(hidden), len(weight), place):
                loss, gradient = work(hidden[part] @ weight.T, labels[part])
                total += loss
                torch.mm(gradient, weight, out=in_hidden[part])
                if in_weight is not None:
                    in_weight += gradient.T @ hidden[part]
        context.kinds = kinds
        context.save_for_backward(in_hidden, in_weight)
        return total

    @staticmethod
    def backward(context: Any, *outside: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = [
            None if gradient is None else (gradient * outside[0]).to(kind)
            for gradient, kind in zip(context.saved_tensors, context.kinds, strict=True)
        ]
        return *found, None, None


def _parts(tokens: int, vocabulary: int, place: str) -> list[slice]:
    """Parts of the tokens whose logits are held at a time, equal where the number can be halved.

    Compiled code is compiled again for another size.
    """
    most, size = max(1, LOGITS[place] // vocabulary), tokens
    while size > most and size % 2 == 0:
        size //= 2
    size = min(size, most)
    return [slice(begin, min(begin + size, tokens)) for begin in range(0, tokens, size)]


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
