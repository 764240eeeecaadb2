"""What a training is judged by, as functions of a model that can be differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import PreTrainedModel

from mda.attribution import probes, text_probes
from mda.attribution.questions import Question
from mda.config.unit_sections import BEST, TEMPERATURE
from mda.models import memory, metrics
from mda.models import model as models
from mda.models.units import Attention, Head, Neuron, Unit
from mda.runtime import parallel

# How the scores of all heads become one number.
Over = Literal["best", "sum", "soft_max"]
# Functions of a model whose values are added, so that one after the other can be differentiated.
Measure = Sequence[Callable[[PreTrainedModel], torch.Tensor]]


@dataclass(frozen=True)
class Outcome:
    """A number that a training comes to.

    Attributes:
        name: what it is called.
        measure: what is measured of the model.
        when: the mean over all evaluations, the value after the last update, or that at a step, before its
            updates.
        step: that step.
    """

    name: str
    measure: Measure
    when: Literal["mean", "end", "step"]
    step: int | None = None

    def weight(self, step: int, evaluated: Sequence[int]) -> float:
        """The weight of the value at a step, before its updates, among the steps `evaluated`, ascending."""
        if self.when == "mean":
            return 1 / len(evaluated) if step in evaluated else 0.0
        return float(step == (self.step if self.when == "step" else evaluated[-1]))


def evaluated(start: int, stop: int, every: int) -> list[int]:
    """The steps at which `training.Trainer.follow` evaluates a training from `start` to `stop`."""
    return sorted({*range(start, stop, every), stop})


def of_heads(tokens: torch.Tensor, units: Sequence[Unit], metric: str) -> Measure:
    """A metric of heads, or of all heads of whole attentions, and its mean over them.

    Args:
        tokens: shape (batch, 2T): T random tokens, then the same again.
        metric: one of `mda.models.metrics.HEAD_METRICS`.
    """

    def value(model: PreTrainedModel) -> torch.Tensor:
        found = getattr(metrics.scores(model, tokens), metric)
        layers, heads = found.shape
        mine = [
            found[layer, head]
            for layer in range(layers)
            for head in range(heads)
            if Head(layer, head) in units or Attention(layer) in units
        ]
        return torch.stack(mine).mean()

    return [value]


def soft_max(scores: torch.Tensor) -> torch.Tensor:
    """Soft maximum of n scores: t log sum exp(score / t), with t = `TEMPERATURE`.

    At least the maximum, and at most t log n above it (Boyd and Vandenberghe 2004, Convex Optimization,
    section 3.1.5). Its derivative is the softmax of score / t.
    """
    return TEMPERATURE * torch.logsumexp(scores.flatten() / TEMPERATURE, dim=0)


def of_class(tokens: torch.Tensor, metric: str, over: Over) -> Measure:
    """A metric of a class of heads: that of the model's best head, or the sum or soft maximum over all heads.

    The derivative of the first is that of the head that is best. It jumps where another head takes the lead;
    those of the sum and of the soft maximum do not.

    Args:
        tokens: shape (batch, 2T): T random tokens, then the same again.
        metric: one of `mda.config.unit_sections.CLASS_METRICS`.
    """

    def value(model: PreTrainedModel) -> torch.Tensor:
        found = getattr(metrics.scores(model, tokens), metric.removeprefix(BEST))
        if over == "best":
            return found.max()
        return found.sum() if over == "sum" else soft_max(found)

    return [value]


def of_neurons(tokens: torch.Tensor, neurons: Sequence[Neuron]) -> Measure:
    """Mean activation in the second half of the sequences minus that in the first, and its mean over neurons.

    Args:
        tokens: shape (batch, 2T): T random tokens, then the same again.
    """
    number = tokens.numel() // 2 * len(neurons)
    return [lambda model: probes.activation(model, tokens, neurons) / number]


def of_probe(question: Question, units: Sequence[Unit]) -> Measure:
    """A probe, on its tokens; part by part if it is a sum of parts."""
    if isinstance(question.probe, text_probes.Texts):
        return [part.in_all_weights for part in question.probe.parts]

    def part_of(probe: Callable[..., torch.Tensor]) -> Callable[[PreTrainedModel], torch.Tensor]:
        def value(model: PreTrainedModel) -> torch.Tensor:
            # It may read attention patterns.
            with models.attention(model, "eager"):
                return probe(model, question.tokens, units)

        return value

    return [part_of(probe) for probe in getattr(question.probe, "parts", (question.probe,))]


def of_loss(model: PreTrainedModel, rows: torch.Tensor) -> Measure:
    """Mean cross-entropy of all predictions of some rows, in nats; lower is better.

    Args:
        model: like those that will be measured, to know how many rows fit at once.
        rows: shape (rows, context + 1).
    """

    def part_of(part: torch.Tensor) -> Callable[[PreTrainedModel], torch.Tensor]:
        def value(model: PreTrainedModel) -> torch.Tensor:
            logits = model(part[:, :-1], use_cache=False).logits
            return models.cross_entropies(logits, part[:, 1:]).sum() / rows[:, 1:].numel()

        return value

    # Processes share the parts, so all need the same ones, whatever memory each has.
    at_once = parallel.same(min(metrics.BATCH, memory.rows_at_once(model, rows.shape[1] - 1)))
    return [part_of(part) for part in rows.split(at_once)]


def value(model: PreTrainedModel, measure: Measure) -> float:
    """What is measured of the model."""
    # With gradients, for a probe is asked whether it has any.
    return sum(float(part(model).detach()) for part in measure)


def differentiate(model: PreTrainedModel, measure: Measure) -> None:
    """Leave the derivative of what is measured in the model's weights in it."""
    model.zero_grad(set_to_none=True)
    for part in measure:
        part(model).backward()
