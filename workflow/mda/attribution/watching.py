"""Hooks that record the inputs and the output gradients of the units' weights.

A block's gradient is a sum over tokens of g x^T: x is what it reads, g the gradient of what it writes, both
of which the projections that it is part of see anyway. Hooks on these projections keep them, so that the
model computes nothing more, and nothing of it changes. All parameters are frozen, and the first watched
projection starts the graph: a backward pass computes gradients of activations alone, down to the lowest
watched layer.

Blocks that read the same (the queries, keys and values of a layer's heads), or whose outputs add up (the
output projections of its heads), share that side: its name is then the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from mda.models import architectures
from mda.models.architectures import ALL, Part
from mda.models.units import Unit


class Block(NamedTuple):
    """A unit's weights that act as one, such as its queries and keys.

    Attributes:
        name: 'L1H0.qk'.
        reads: the projection whose input it reads, and the features of it (`columns`).
        writes: projections with the outputs (`rows`) that it writes.
    """

    name: str
    reads: Part
    writes: tuple[Part, ...]

    @property
    def read(self) -> str:
        """Name of what it reads: equal for blocks that read the same."""
        return f"{self.reads.module}.in{_range(self.reads.columns)}"

    @property
    def written(self) -> str:
        """Name of what it writes: equal for blocks that write the same outputs."""
        return "+".join(f"{part.module}.out{_range(part.rows)}" for part in self.writes)

    @property
    def reads_a_part(self) -> bool:
        """Whether it reads some features of an input, and writes all outputs; else the other way round."""
        return self.reads.columns != ALL


def _range(part: slice) -> str:
    return "" if part == ALL else f"[{part.start}:{part.stop}]"


def blocks_of(model: PreTrainedModel, units: Sequence[Unit]) -> dict[Unit, dict[str, Block]]:
    """The blocks of units, by unit and by what they are (qk, v, o; in, out).

    Raises:
        UserError: when the model has no such unit.
    """
    found: dict[Unit, dict[str, Block]] = {}
    for unit in dict.fromkeys(units):
        parts = architectures.blocks(model, unit)
        # Of what a layer's attention or MLP reads, one projection speaks for all.
        first = next(iter(parts.values()))[0].module
        found[unit] = {
            kind: Block(
                f"{unit}.{kind}",
                Part(first if own[0].columns == ALL else own[0].module, columns=own[0].columns),
                tuple(Part(part.module, rows=part.rows) for part in own),
            )
            for kind, own in parts.items()
        }
    return found


@dataclass
class Seen:
    """What the watched projections saw, by their names, once a call of the model.

    Attributes:
        inputs: shape (batch, tokens, features) each.
        gradients: of the summed value that was differentiated, shape (batch, tokens, outputs) each; None of a
            call that it does not depend on.
        counted: positions whose next token counts, shape (batch, tokens); None where all do.
    """

    inputs: dict[str, list[torch.Tensor]] = field(default_factory=lambda: defaultdict(list))
    gradients: dict[str, list[torch.Tensor | None]] = field(default_factory=lambda: defaultdict(list))
    counted: torch.Tensor | None = None

    def clear(self) -> None:
        """Forget all calls."""
        self.inputs.clear()
        self.gradients.clear()
        self.counted = None

    def part(self, part: Part, output: bool) -> torch.Tensor:
        """Features of what a projection read, or the gradients of some that it wrote, as they were seen.

        Shape (batch, tokens, features).
        """
        if not output:
            return self.inputs[part.module][0][..., part.columns]
        found = self.gradients[part.module][0]
        assert found is not None
        return found[..., part.rows]

    def read(self, block: Block, call: int = 0) -> torch.Tensor:
        """What a block read, shape (batch, tokens, inputs), float32 or better."""
        return _at_least_float32(self.inputs[block.reads.module][call][..., block.reads.columns])

    def written(self, block: Block) -> torch.Tensor:
        """The gradients of what it wrote, shape (batch, tokens, outputs), of a value that depends on it."""
        found = self._written(block, 0)
        assert found is not None
        return found

    def _written(self, block: Block, call: int) -> torch.Tensor | None:
        parts = [self.gradients[part.module][call] for part in block.writes]
        known = [
            _at_least_float32(gradient[..., part.rows])
            for part, gradient in zip(block.writes, parts, strict=True)
            if gradient is not None
        ]
        return torch.cat(known, dim=-1) if len(known) == len(parts) else None

    def gradient(self, block: Block) -> torch.Tensor | None:
        """The gradient of a block's weights over all samples and calls, shape (outputs, inputs)."""
        total = None
        for call in range(len(self.inputs[block.reads.module])):
            written = self._written(block, call)
            if written is not None:
                part = written.flatten(0, 1).T @ self.read(block, call).flatten(0, 1)
                total = part if total is None else total + part
        return total


def _at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@contextmanager
def watched(model: nn.Module, blocks: Sequence[Block]) -> Iterator[Seen]:
    """Within, calls of the model are kept, and the gradients of what is differentiated."""
    model.requires_grad_(False)
    seen = Seen()
    read = {block.reads.module for block in blocks}
    written = {part.module for block in blocks for part in block.writes}
    handles = [
        model.get_submodule(name).register_forward_hook(_hook(seen, name, name in read, name in written))
        for name in sorted(read | written)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _hook(seen: Seen, name: str, read: bool, written: bool):
    def keep(module: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        del module
        if read:
            seen.inputs[name].append(given[0].detach())
        if written:
            kept = seen.gradients[name]
            call = len(kept)
            kept.append(None)
            if not output.requires_grad:
                # Nothing below is asked for: the graph begins here.
                output = output.detach().requires_grad_()
            output.register_hook(lambda gradient: kept.__setitem__(call, gradient))
        return output

    return keep


def sample_gradients(read: torch.Tensor, written: torch.Tensor) -> torch.Tensor:
    """Each sample's gradient of a block's weights, shape (samples, outputs, inputs).

    Args:
        read, written: from `Seen`.
    """
    return written.transpose(1, 2) @ read


def squared_norms(read: torch.Tensor, written: torch.Tensor) -> torch.Tensor:
    """Squared norms of the same, shape (samples,).

    A gradient is the sum over tokens of g x^T, so its square is that of (x . x')(g . g') over pairs of
    tokens, and no gradient is formed.
    """
    pairs = (read @ read.transpose(1, 2)) * (written @ written.transpose(1, 2))
    return pairs.sum(dim=(1, 2)).clamp_min(0)


def weights(model: nn.Module, block: Block) -> torch.Tensor:
    """A block's weights, shape (outputs, inputs)."""
    parts = [
        architectures.weight(model.get_submodule(part.module))[part.rows, block.reads.columns]
        for part in block.writes
    ]
    return torch.cat(parts)


def layers_of(model: PreTrainedModel, blocks: Sequence[Block]) -> set[int]:
    """The numbers of the layers that have these blocks."""
    before = f"{architectures.of(model).layers}."
    modules = {part.module for block in blocks for part in (block.reads, *block.writes)}
    return {int(module.removeprefix(before).partition(".")[0]) for module in modules}


def all_blocks(blocks: Mapping[Unit, Mapping[str, Block]]) -> list[Block]:
    """The blocks of all units in one list."""
    return [block for own in blocks.values() for block in own.values()]
