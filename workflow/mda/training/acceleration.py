"""What makes training fast on a GPU. On a CPU nothing of this is done unless it is asked for.

The ways differ by rounding, so all branches of an experiment take the same one, which `numerics.acceleration`
names, or which follows from the model and the number of rows. Only a branch whose inserted samples make an
update too large for one pass records no graph.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from mda.config import sections
from mda.models import compilation, output_layer
from mda.planning.gpu_limits import SMALL_UPDATE
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Operations of a training from which `auto` compiles. On an H200 compiling took 14 to 16 s, and saved as much
# in 200 updates of Pythia-160M (65,536 tokens each) and in 330 of Pythia-14M (131,072): 1e16 and 2e15.
WORTH_COMPILING = 1e16


@dataclass(frozen=True)
class Plan:
    """The way that a training takes.

    Attributes:
        fused: losses through `output_layer.summed` and AdamW in one kernel, in place of losses by autograd
            on all logits.
        compiled: layers and losses compiled by `torch.compile`, for one shape.
        graph: forward and backward pass of an update replayed as one CUDA graph.
    """

    fused: bool = False
    compiled: bool = False
    graph: bool = False

    @property
    def same_shape(self) -> bool:
        """Whether every part of a batch must have as many rows."""
        return self.compiled or self.graph


PLANS = {
    "plain": Plan(),
    "fused": Plan(fused=True),
    "compiled": Plan(fused=True, compiled=True),
    "graph": Plan(fused=True, graph=True),
    "compiled_graph": Plan(fused=True, compiled=True, graph=True),
}


@dataclass(frozen=True)
class Size:
    """How large a training is.

    Attributes:
        tokens: of all its updates, the same for all branches of an experiment.
        updates: their number.
        at_once: whether all rows of its largest update pass through the model together.
    """

    tokens: int
    updates: int
    at_once: bool


def plan(asked: sections.Acceleration, network: PreTrainedModel, size: Size) -> Plan:
    """The way that a training of `network` takes.

    Raises:
        UserError: when it is asked for what the device cannot do.
    """
    if asked == "auto":
        return _suited(network, size) if on_gpu(asked, network) else PLANS["plain"]
    found = PLANS[asked]
    if found.graph and _place(network) != "cuda":
        raise UserError(f"numerics.acceleration is {asked}, which needs a GPU; set it to auto")
    if found.graph and not size.at_once:
        without = "compiled" if found.compiled else "fused"
        log.warning(
            "numerics.acceleration: %s is for updates that fit at once; going on as with %s", asked, without
        )
        return PLANS[without]
    return found


def _suited(network: PreTrainedModel, size: Size) -> Plan:
    """What is worth its start: small updates are recorded, long trainings of large ones compiled."""
    # The gradients of activations and of weights take as much again, each.
    operations = 3 * compilation.products(network, size.tokens)
    if size.at_once and operations < SMALL_UPDATE * size.updates:
        name = "graph"
    else:
        name = "compiled" if operations >= WORTH_COMPILING else "fused"
    log.info(
        "numerics.acceleration: auto is %s for %.2g operations in %d updates",
        *(name, operations, size.updates),
    )
    return PLANS[name]


def fused(asked: sections.Acceleration, network: PreTrainedModel) -> bool:
    """Whether a training never holds all logits; see `Plan.fused`."""
    return asked not in ("auto", "plain") or on_gpu(asked, network)


def on_gpu(asked: sections.Acceleration, network: PreTrainedModel) -> bool:
    """Whether a training may use what only a GPU has: AdamW in one kernel, losses read some steps later."""
    return asked != "plain" and _place(network) == "cuda"


def _place(network: PreTrainedModel) -> str:
    return next(network.parameters()).device.type


def of_logits(compiled: bool) -> output_layer.OfLogits:
    """Losses of logits, compiled if asked."""
    if not compiled:
        return output_layer.of_logits
    return torch.compile(output_layer.of_logits_to_compile, backend=compilation.BACKEND, dynamic=False)


# What an update does with its tokens, labels and the weight of a token's loss: it leaves the gradient in the
# parameters and returns the loss.
Work = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Graph:
    """A forward and backward pass as one CUDA graph, for inputs of one shape.

    Python starts one graph in place of some hundred kernels.
    """

    def __init__(self, network: PreTrainedModel, work: Work, *given: torch.Tensor) -> None:
        """Record `work`, by the steps that `torch.cuda.CUDAGraph` asks for."""
        self.network = network
        self.given = [tensor.clone() for tensor in given]
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        # What libraries set up on their first calls must not be recorded.
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                work(*self.given)
                network.zero_grad(set_to_none=True)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = work(*self.given)
        self.gradients = [parameter.grad for parameter in self.parameters]
        network.zero_grad(set_to_none=True)

    def __call__(self, *given: torch.Tensor) -> torch.Tensor:
        """Do the work on other inputs; the gradients in the parameters are replaced."""
        for mine, its in zip(self.given, given, strict=True):
            mine.copy_(its)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.loss.clone()
