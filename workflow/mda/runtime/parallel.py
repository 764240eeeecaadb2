"""Train one model in several processes, each on a part of every batch.

Gradients are weighted by the rows they come from and summed, so that a batch may be split
unevenly, or leave a process without a row; `DistributedDataParallel` averages over processes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

log = logging.getLogger(__name__)

# The first process evaluates and saves while the others wait for its gradients.
TIMEOUT = timedelta(hours=2)


def rank() -> int:
    """This process's number; 0 alone or first."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def device() -> torch.device:
    """This process's GPU when there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@contextmanager
def group() -> Iterator[None]:
    """Join the other processes: by NCCL on GPUs, else by gloo. Alone it does nothing."""
    if size() == 1:
        yield
        return
    mine = device()
    if mine.type == "cuda":
        torch.cuda.set_device(mine)
    backend = "nccl" if mine.type == "cuda" else "gloo"
    if rank() == 0:
        log.info("training in %d processes (%s)", size(), backend)
    distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share(batch: torch.Tensor) -> torch.Tensor:
    """This process's part of a batch, along the first dimension; may be empty."""
    return batch.tensor_split(size())[rank()]


def sum_gradients(parameters: Sequence[torch.nn.Parameter], loss: torch.Tensor) -> torch.Tensor:
    """Sum the gradients over the processes, in place; returns the sum of `loss`."""
    if size() == 1:
        return loss
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    flat = summed(
        torch.cat(
            [
                torch.zeros_like(parameter).flatten() if parameter.grad is None else parameter.grad.flatten()
                for parameter in trained
            ]
            + [loss.flatten()]
        )
    )
    position = 0
    for parameter in trained:
        parameter.grad = flat[position : position + parameter.numel()].view_as(parameter).clone()
        position += parameter.numel()
    return flat[-1]


def summed(mine: torch.Tensor) -> torch.Tensor:
    """The sum over the processes, in place of what this one has."""
    if size() > 1:
        distributed.all_reduce(mine)
    return mine


def gathered(mine: torch.Tensor, whole: int) -> torch.Tensor:
    """A vector of which each process has the part that `share` gives it.

    Args:
        whole: its length.
    """
    found = mine.new_zeros(whole)
    share(found).copy_(mine)
    return summed(found)


def same(value: Any) -> Any:
    """The first process's value, in every process."""
    if size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def any_of(here: bool) -> bool:
    """Whether it holds in some process; the same answer in all of them."""
    if size() == 1:
        return here
    flag = torch.tensor([float(here)], device=device())
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag.item())


def meet() -> None:
    """Wait until all processes are here: the launcher ends those that are at work when one has ended."""
    any_of(False)
