"""Giving every target unit parameters of its own, beside the layers it is part of.

The projections of the model stay as they are and compute its outputs. For each block of a unit
(see `architectures.blocks`) there is a tap: a bias-free `nn.Linear` with a copy of the block's
weights, which reads the projection's input, detached, and receives the gradient that reaches
the block's part of the projection's output. Inputs and output gradients of the tap are then
those of the block, so curvature and gradients of its weights are exactly the unit's, while the
model's outputs stay the same to the bit and gradients to earlier layers flow once, through the
projection. Masking the gradients of the whole layer would leave the curvature that of the whole
layer.

Heads that share keys and values (grouped queries) each have a tap with their group's rows. Each
tap receives the whole gradient of these rows, whether or not another head of the group is
tapped too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mda.models import architectures
from mda.models.units import Unit
from mda.runtime.errors import UserError


class _Tee(torch.autograd.Function):
    """A projection's output unchanged; backward hands each tap its part of the gradient too.

    The same as adding `tap - tap.detach()`, which is zero, without the copies.
    """

    @staticmethod
    def forward(ctx: Any, output: torch.Tensor, rows: list[slice], *taps: torch.Tensor) -> torch.Tensor:
        del taps
        ctx.rows = rows
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return gradient, None, *(gradient[..., rows] for rows in ctx.rows)


class Tap(nn.Module):
    """One block of a unit.

    `group` joins that many neighbouring sequences of a batch into one sample of the block, so
    that per-sample gradients are those of a set of sequences. It changes no output.

    Attributes:
        linear: the block.
    """

    def __init__(self, weights: list[torch.Tensor], columns: slice) -> None:
        """Copy the block.

        Args:
            weights: its parts, each (out, in); they read the same input.
            columns: the features of that input that they read.
        """
        super().__init__()
        joint = torch.cat(weights).detach()
        self.linear = nn.Linear(
            joint.shape[1], joint.shape[0], bias=False, device=joint.device, dtype=joint.dtype
        )
        self.linear.weight.data.copy_(joint)
        self.columns = columns
        self.sizes = [len(part) for part in weights]
        self.group = 1
        self.waiting: dict[int, torch.Tensor] = {}

    def forward(self, inputs: torch.Tensor, part: int) -> torch.Tensor:
        """Apply one part of the block to inputs of shape (batch, tokens, features).

        Parts may be outputs of several projections, which run one after the other, but the
        block runs once a call of the model: at its first part, and the others wait.
        """
        if part not in self.waiting:
            outputs = self._apply_block(inputs[..., self.columns].detach())
            self.waiting = dict(enumerate(outputs.split(self.sizes, dim=-1)))
        return self.waiting.pop(part)

    def _apply_block(self, inputs: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = inputs.shape
        if batch % self.group:
            raise UserError(
                f"a probe must call the model exactly once, on all its {self.group} sequences, "
                f"but called it on {batch}"
            )
        joined = inputs.reshape(batch // self.group, self.group * tokens, -1)
        return self.linear(joined).reshape(batch, tokens, -1)


def split(model: nn.Module, units: Sequence[Unit]) -> dict[Unit, dict[str, str]]:
    """Tap the blocks of the given units, in place.

    Returns:
        unit -> block -> name of its `nn.Linear` in the model.
    """
    taps = nn.ModuleDict()
    names: dict[Unit, dict[str, str]] = {}
    tapped: dict[str, list[tuple[Tap, int, slice]]] = defaultdict(list)
    for unit in dict.fromkeys(units):
        blocks = nn.ModuleDict()
        for block, parts in architectures.blocks(model, unit).items():
            weights = [
                architectures.weight(model.get_submodule(part.module))[part.rows, part.columns]
                for part in parts
            ]
            tap = blocks[block] = Tap(weights, parts[0].columns)
            for number, part in enumerate(parts):
                tapped[part.module].append((tap, number, part.rows))
        taps[str(unit)] = blocks
        names[unit] = {block: f"taps.{unit}.{block}.linear" for block in blocks}
    model.taps = taps
    for name, mine in tapped.items():
        _attach(model.get_submodule(name), mine)
    return names


def _attach(projection: nn.Module, taps: list[tuple[Tap, int, slice]]) -> None:
    rows = [part for _, _, part in taps]

    def hook(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        del module
        parts = [tap(inputs[0], number).to(output.dtype) for tap, number, _ in taps]
        return _Tee.apply(output, rows, *parts)

    projection.register_forward_hook(hook)


@contextmanager
def grouped(model: nn.Module, group: int) -> Iterator[None]:
    """Within, `group` neighbouring sequences of a batch count as one sample of the blocks."""
    taps = [module for module in model.modules() if isinstance(module, Tap)]
    for tap in taps:
        tap.group = group
    try:
        yield
    finally:
        for tap in taps:
            tap.group = 1
