"""Splitting attention layers so that every target head has parameters of its own.

The fused projections of the target layers are replaced by modules that compute the same
numbers, but in which each target head's blocks are separate bias-free `nn.Linear`s:
QK (d_model -> 2 d_head; queries and keys jointly, because they act only as a product),
V (d_model -> d_head) and O (d_head -> d_model), as in arXiv 2601.21996. Curvature and
gradients of these modules are then exactly those of the heads. Masking the gradients of the
whole layer would leave the curvature that of the whole layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from mda import architectures
from mda.errors import UserError
from mda.heads import Head

BLOCKS = ("qk", "v", "o")


class _Split(nn.Module):
    """Base of both replacements.

    `group` joins that many neighbouring sequences of a batch into one sample of the split
    parts, so that per-sample gradients are those of a set of sequences. It changes no output.
    """

    group = 1

    def part(self, name: str, inputs: torch.Tensor) -> torch.Tensor:
        """Apply one head's block to inputs of shape (batch, tokens, features)."""
        batch, tokens, _ = inputs.shape
        if batch % self.group:
            raise UserError(
                f"a probe must call the model exactly once, on all its {self.group} sequences, "
                f"but called it on {batch}"
            )
        joined = inputs.reshape(batch // self.group, self.group * tokens, -1)
        return getattr(self, name)(joined).reshape(batch, tokens, -1)


class SplitProjection(_Split):
    """Replacement of the projection to queries, keys and values."""

    rest: torch.Tensor
    bias: torch.Tensor | None
    inverse: torch.Tensor

    def __init__(
        self, fused: nn.Linear, rows: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    ) -> None:
        """Take the rows (queries, keys, values) of each target head out of `fused`."""
        super().__init__()
        self.heads = sorted(rows)
        order = []
        for head in self.heads:
            query, key, value = rows[head]
            for name, part in (("qk", torch.cat([query, key])), ("v", value)):
                self.add_module(f"{name}{head}", _linear(fused.weight[part]))
                order.append(part)
        taken = torch.cat(order)
        rest = torch.tensor(sorted(set(range(fused.out_features)) - set(taken.tolist())), dtype=torch.long)
        self.register_buffer("rest", fused.weight[rest].detach().clone())
        self.register_buffer("bias", None if fused.bias is None else fused.bias.detach().clone())
        self.register_buffer("inverse", torch.argsort(torch.cat([taken, rest])))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (batch, tokens, d_model) to (batch, tokens, heads x 3 x d_head)."""
        parts = [self.part(f"{name}{head}", inputs) for head in self.heads for name in ("qk", "v")]
        parts.append(functional.linear(inputs, self.rest))
        outputs = torch.cat(parts, dim=-1)[..., self.inverse]
        return outputs if self.bias is None else outputs + self.bias


class SplitOutput(_Split):
    """Replacement of the projection from the heads back to the residual stream."""

    rest: torch.Tensor
    bias: torch.Tensor | None
    columns: torch.Tensor

    def __init__(self, fused: nn.Linear, heads: Sequence[int], size: int) -> None:
        """Take the columns of each target head out of `fused`; a head has `size` of them."""
        super().__init__()
        self.heads, self.size = sorted(heads), size
        for head in self.heads:
            self.add_module(f"o{head}", _linear(fused.weight[:, head * size : (head + 1) * size]))
        taken = {head * size + offset for head in self.heads for offset in range(size)}
        rest = torch.tensor(sorted(set(range(fused.in_features)) - taken), dtype=torch.long)
        self.register_buffer("columns", rest)
        self.register_buffer("rest", fused.weight[:, rest].detach().clone())
        self.register_buffer("bias", None if fused.bias is None else fused.bias.detach().clone())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (batch, tokens, heads x d_head) to (batch, tokens, d_model)."""
        outputs = functional.linear(inputs[..., self.columns], self.rest, self.bias)
        for head in self.heads:
            columns = inputs[..., head * self.size : (head + 1) * self.size]
            outputs = outputs + self.part(f"o{head}", columns)
        return outputs


def _linear(weight: torch.Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device)
    linear.weight.data.copy_(weight.detach())
    return linear


def split_heads(model: nn.Module, heads: Sequence[Head]) -> dict[Head, dict[str, str]]:
    """Split the given heads out of their layers, in place.

    Returns:
        head -> block ("qk", "v", "o") -> name of its `nn.Linear` in the model.
    """
    architecture = architectures.of(model)
    _, count, size = architectures.shape(model)
    paths = {id(module): name for name, module in model.named_modules()}
    names: dict[Head, dict[str, str]] = {}
    for layer in sorted({head.layer for head in heads}):
        mine = sorted(head.number for head in heads if head.layer == layer)
        attention = architecture.attention(architecture.layers(model)[layer])
        path = paths[id(attention)]
        projection = getattr(attention, architecture.projection)
        output = getattr(attention, architecture.output)
        rows = {head: architecture.rows(count, size, head) for head in mine}
        setattr(attention, architecture.projection, SplitProjection(projection, rows))
        setattr(attention, architecture.output, SplitOutput(output, mine, size))
        for head in mine:
            names[Head(layer, head)] = {
                "qk": f"{path}.{architecture.projection}.qk{head}",
                "v": f"{path}.{architecture.projection}.v{head}",
                "o": f"{path}.{architecture.output}.o{head}",
            }
    return names


@contextmanager
def grouped(model: nn.Module, group: int) -> Iterator[None]:
    """Within, `group` neighbouring sequences of a batch count as one sample of the split parts."""
    splits = [module for module in model.modules() if isinstance(module, _Split)]
    for module in splits:
        module.group = group
    try:
        yield
    finally:
        for module in splits:
            module.group = 1
