"""One update of AdamW as a function of weights, moments and gradient, and its adjoint.

The rule that training follows is written down once, in `updated`. Training runs it through torch's optimizer
(`training.Trainer.apply`); tests hold that both give the same numbers. Its adjoint is autograd's of the same
function, so that the two cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from mda.runtime.errors import UserError

# What torch's clipping adds to the norm.
CLIP_EPSILON = 1e-6
# A weight with a root of its second moment below this share of the largest has a gradient of rounding alone,
# such as the bias of keys, which no loss depends on. In multiples of the precision of the numbers.
SILENT = 64.0


class State(NamedTuple):
    """A training between two updates.

    Attributes:
        weights, first, second: the weights and Adam's two moments, shape (weights,).
        made: the number of updates that Adam has made.
    """

    weights: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    made: int


class Adjoint(NamedTuple):
    """The derivative of an outcome in a state's weights and moments, shape (weights,) each."""

    weights: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor


class Rule(NamedTuple):
    """What an update depends on besides the state and the gradient.

    Attributes:
        rate: learning rate.
        betas, epsilon, clip: as in `mda.config.sections.Optimizer`.
        sizes: number of weights of every parameter, in order.
        decays: weight decay of every parameter.
    """

    rate: float
    betas: tuple[float, float]
    epsilon: float
    clip: float
    sizes: Sequence[int]
    decays: Sequence[float]


def clipped(gradient: torch.Tensor, rule: Rule) -> torch.Tensor:
    """The gradient, scaled down to the norm `rule.clip` if it is longer; shape (weights,)."""
    norms = [torch.linalg.vector_norm(part) for part in gradient.split(list(rule.sizes))]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    return gradient * (rule.clip / (norm + CLIP_EPSILON)).clamp(max=1.0)


def updated(state: State, gradient: torch.Tensor, rule: Rule) -> State:
    """The state after an update (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), with clipping.

    In the operations and the order of `torch.optim.AdamW`. It can be differentiated in all tensors; where the
    second moment is 0, no path leads through it.

    Args:
        gradient: before it is clipped, shape (weights,).
    """
    scaled = clipped(gradient, rule)
    made = state.made + 1
    kept = [
        torch.full((size,), 1 - rule.rate * decay, dtype=gradient.dtype, device=gradient.device)
        for size, decay in zip(rule.sizes, rule.decays, strict=True)
    ]
    first = torch.lerp(state.first, scaled, 1 - rule.betas[0])
    second = torch.addcmul(state.second * rule.betas[1], scaled, scaled, value=1 - rule.betas[1])
    # The slope of the root at 0 is infinite.
    moved = second > 0
    root = torch.where(moved, torch.where(moved, second, 1.0).sqrt(), 0.0)
    denominator = root / math.sqrt(1 - rule.betas[1] ** made) + rule.epsilon
    rate = rule.rate / (1 - rule.betas[0] ** made)
    weights = torch.addcdiv(state.weights * torch.cat(kept), first, denominator, value=-rate)
    return State(weights, first, second, made)


def backward(
    state: State, gradient: torch.Tensor, rule: Rule, after: Sequence[Adjoint]
) -> list[tuple[torch.Tensor, Adjoint]]:
    """From the derivatives of outcomes in the state after an update to those in what it was made of.

    Weights whose gradients are nothing but rounding get 0 in the first: Adam blows rounding up.

    Args:
        state: before the update.
        gradient: before it is clipped, shape (weights,).
        after: an adjoint of the state after the update for each outcome.

    Returns:
        For each outcome, its derivative in the gradient, shape (weights,), and that in the state before, but
        for the path from the weights through the gradient.
    """
    given = [tensor.detach().requires_grad_() for tensor in (*state[:3], gradient)]
    with torch.enable_grad():
        found = updated(State(given[0], given[1], given[2], state.made), given[3], rule)
    root = found.second.detach().sqrt()
    loud = root > SILENT * torch.finfo(root.dtype).eps * root.max()
    parts = []
    for number, adjoint in enumerate(after):
        more = number + 1 < len(after)
        *before, worth = torch.autograd.grad(found[:3], given, adjoint, retain_graph=more)
        parts.append((torch.where(loud, worth, 0.0), Adjoint(*before)))
    return parts


class Flat:
    """The weights, moments and gradient of a model that trains, as vectors in the order of its parameters."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.AdamW) -> None:
        """Take the parameters that are trained, and what the optimizer does to each.

        Raises:
            UserError: when some have been updated more often than others.
        """
        self.named = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
        self.optimizer = optimizer
        self.sizes = [each.numel() for _, each in self.named]
        decays = {
            id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]
        }
        self.decays = [decays[id(each)] for _, each in self.named]
        # Before the first update some have an empty state, others none.
        known = [optimizer.state[each] for _, each in self.named if optimizer.state.get(each)]
        if len({int(moments["step"]) for moments in known}) > 1 or 0 < len(known) < len(self.named):
            raise UserError(
                "the trajectory needs a training in which every parameter is updated in every update"
            )

    @property
    def weights(self) -> int:
        """Number of weights."""
        return sum(self.sizes)

    def rule(self, rate: float, clip: float) -> Rule:
        """The update at this learning rate."""
        group = self.optimizer.param_groups[0]
        return Rule(rate, group["betas"], group["eps"], clip, self.sizes, self.decays)

    def read(self) -> State:
        """A copy of the state."""
        moments = [self.optimizer.state.get(each, {}) for _, each in self.named]
        first, second = (
            torch.cat(
                [
                    (torch.zeros_like(each) if key not in moment else moment[key]).detach().flatten()
                    for moment, (_, each) in zip(moments, self.named, strict=True)
                ]
            )
            for key in ("exp_avg", "exp_avg_sq")
        )
        return State(self.read_weights(), first, second, int(moments[0].get("step", 0)))

    def read_weights(self) -> torch.Tensor:
        """A copy of the weights, shape (weights,)."""
        return torch.cat([each.detach().flatten() for _, each in self.named])

    @torch.no_grad()
    def write_weights(self, weights: torch.Tensor) -> None:
        """Give the model these weights, shape (weights,)."""
        for (_, each), part in zip(self.named, weights.split(self.sizes), strict=True):
            each.copy_(part.view_as(each))

    def write(self, state: State) -> None:
        """Give the model and the optimizer this state."""
        self.write_weights(state.weights)
        moments = zip(state.first.split(self.sizes), state.second.split(self.sizes), strict=True)
        for (_, each), (first, second) in zip(self.named, moments, strict=True):
            # AdamW keeps its step counter on the CPU, unless one kernel does all.
            place = each.device if self.optimizer.defaults["fused"] else None
            self.optimizer.state[each] = {
                "step": torch.tensor(float(state.made), device=place),
                "exp_avg": first.view_as(each).clone(),
                "exp_avg_sq": second.view_as(each).clone(),
            }

    def gradient(self, partly: bool = False) -> torch.Tensor:
        """A copy of the gradient that the model holds, shape (weights,).

        Args:
            partly: whether parameters without a gradient have 0.

        Raises:
            UserError: when a parameter has none.
        """
        parts = []
        for name, each in self.named:
            if each.grad is None and not partly:
                raise UserError(
                    f"the parameter {name} gets no gradient in training, which the trajectory needs; "
                    "set trajectory to null"
                )
            parts.append((torch.zeros_like(each) if each.grad is None else each.grad).flatten())
        return torch.cat(parts)
