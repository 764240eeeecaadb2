"""Models whose weights, or some of them, are drawn anew from the distribution of initial weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from mda.attribution import watching
from mda.attribution.watching import Block
from mda.models import architectures
from mda.models import model as models
from mda.models.units import Unit


@torch.no_grad()
def draw(
    model: PreTrainedModel,
    seed: int,
    blocks: Sequence[Block] | None,
    optimizer: torch.optim.AdamW | None = None,
) -> None:
    """Draw the weights of some blocks anew, or all parameters, in place (arXiv 1810.03292).

    Args:
        seed: of the initial weights that they are taken from.
        blocks: None for all parameters.
        optimizer: its moments of what is drawn anew become 0, for they are of other weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = models.initialized(model.config, "eager")
    before = [each.detach().clone() for each in model.parameters()]
    places = [_places(each, blocks) for each in (model, new)]
    for old, drawn in zip(*places, strict=True):
        old.copy_(drawn)
    for each, was in zip(model.parameters(), before, strict=True):
        moments = {} if optimizer is None else optimizer.state.get(each, {})
        for key in ("exp_avg", "exp_avg_sq"):
            if key in moments:
                moments[key][each != was] = 0


def _places(model: PreTrainedModel, blocks: Sequence[Block] | None) -> list[torch.Tensor]:
    """All parameters, or views of the weights of the blocks, shape (outputs, inputs) each."""
    if blocks is None:
        return [each.detach() for each in model.parameters()]
    return [
        architectures.weight(model.get_submodule(part.module)).detach()[part.rows, block.reads.columns]
        for block in blocks
        for part in block.writes
    ]


def blocks_of(model: PreTrainedModel, units: Sequence[Unit], kinds: Sequence[str]) -> list[Block]:
    """The blocks of these kinds that some units have."""
    found = watching.blocks_of(model, units)
    return [block for own in found.values() for kind, block in own.items() if kind in kinds]
