"""What makes training fast on a GPU. On a CPU nothing of this is done unless it is asked for.

The ways differ by rounding, so all trainings of an experiment take the same one, which
`numerics.acceleration` names. Compiled layers and CUDA graphs should save more, but have not been measured on
a GPU yet: they are used only if asked for.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from mda.config import sections
from mda.models import architectures, output_layer
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Of `torch.compile`.
BACKEND = "inductor"


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
}


def plan(asked: sections.Acceleration, network: PreTrainedModel, at_once: bool) -> Plan:
    """The way that a training of `network` takes.

    Args:
        at_once: whether all rows of its largest update pass through the model together.

    Raises:
        UserError: when it is asked for what the device cannot do.
    """
    if asked == "auto":
        return Plan(fused=fused(asked, network))
    if asked == "graph" and _place(network) != "cuda":
        raise UserError("numerics.acceleration is graph, which needs a GPU; set it to auto")
    if asked == "graph" and not at_once:
        log.warning("numerics.acceleration: graph is for updates that fit at once; going on as with fused")
        return PLANS["fused"]
    return PLANS[asked]


def fused(asked: sections.Acceleration, network: PreTrainedModel) -> bool:
    """Whether a training never holds all logits; see `Plan.fused`."""
    return asked not in ("auto", "plain") or on_gpu(asked, network)


def on_gpu(asked: sections.Acceleration, network: PreTrainedModel) -> bool:
    """Whether a training may use what only a GPU has: AdamW in one kernel, losses read some steps later."""
    return asked != "plain" and _place(network) == "cuda"


def _place(network: PreTrainedModel) -> str:
    return next(network.parameters()).device.type


def sharing_weights(network: PreTrainedModel) -> PreTrainedModel:
    """Another model with the very same parameters, to evaluate with.

    Hooks, modes and implementations of attention set on it do not touch the code compiled for training.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared)


def compile_layers(network: PreTrainedModel, but: Collection[int] = ()) -> None:
    """Compile the layers, which share one code: the model as a whole would take so many times as long.

    Args:
        but: those that are left as they are, such as layers with hooks.
    """
    for number, layer in enumerate(network.get_submodule(architectures.of(network).layers).children()):
        if number not in but:
            layer.compile(backend=BACKEND, dynamic=False)


def undo_compile(network: PreTrainedModel) -> None:
    """Run the layers as they are written again."""
    for layer in network.get_submodule(architectures.of(network).layers).children():
        layer._compiled_call_impl = None


def of_logits(compiled: bool) -> output_layer.OfLogits:
    """Losses of logits, compiled if asked."""
    if not compiled:
        return output_layer.of_logits
    return torch.compile(output_layer.of_logits_to_compile, backend=BACKEND, dynamic=False)


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
