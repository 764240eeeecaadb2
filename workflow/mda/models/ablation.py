"""Models without some of their units: what these write to the residual stream is set to zero."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from mda.models import architectures
from mda.models.units import Head, Neuron, Unit


@contextmanager
def zeroed(model: PreTrainedModel, units: Sequence[Unit]) -> Iterator[None]:
    """Within, these units write nothing to the residual stream, and all others go on as before.

    A head's output, or a neuron's activation, is zero where the layer's projection to the residual stream
    reads it, as if the unit's columns of that projection were zero. The projection's bias is the layer's,
    and stays.

    Raises:
        UserError: when the model has no such unit.
    """
    columns: dict[str, list[slice]] = defaultdict(list)
    for unit in units:
        blocks = architectures.blocks(model, unit)
        for part in blocks["o" if "o" in blocks else "out"]:
            columns[part.module].append(part.columns)
    handles = [
        model.get_submodule(name).register_forward_pre_hook(partial(_without, own))
        for name, own in columns.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _without(columns: Sequence[slice], module: nn.Module, inputs: tuple) -> tuple:
    del module
    read = inputs[0].clone()
    for own in columns:
        read[..., own] = 0
    return (read, *inputs[1:])


def others(
    units: Sequence[Unit], left_out: Collection[Unit], in_layer: int, draws: int, seed: int
) -> list[tuple[Unit, ...]]:
    """Sets of as many other units, with as many in each layer, drawn at random; no set twice.

    Args:
        left_out: what no set has, beside `units`, such as units of their kind. A whole attention or MLP in it
            leaves out none of its heads or neurons.
        in_layer: heads, or neurons, that each layer has.
        draws: how many sets are drawn. Where there are no more than these, all of them.

    Returns:
        The sets; none where there can be none: some layer has fewer units to draw from than it has of
        `units`, or they are whole attentions or MLPs, of which a layer has one.
    """
    kind = next((kind for kind in (Head, Neuron) if all(isinstance(unit, kind) for unit in units)), None)
    if kind is None:
        return []
    taken = {*units, *left_out}
    wanted = sorted(Counter(unit.layer for unit in units).items())
    free = [
        [kind(layer, number) for number in range(in_layer) if kind(layer, number) not in taken]
        for layer, _ in wanted
    ]
    sizes = [number for _, number in wanted]
    possible = math.prod(math.comb(len(mine), size) for mine, size in zip(free, sizes, strict=True))
    if possible <= draws:
        parts = [itertools.combinations(mine, size) for mine, size in zip(free, sizes, strict=True)]
        return [tuple(itertools.chain(*chosen)) for chosen in itertools.product(*parts)]
    generator = np.random.default_rng([seed, 9])
    found: dict[tuple[Unit, ...], None] = {}
    while len(found) < draws:
        chosen = [
            mine[place]
            for mine, size in zip(free, sizes, strict=True)
            for place in sorted(generator.choice(len(mine), size, replace=False))
        ]
        found[tuple(chosen)] = None
    return list(found)
