"""Values of probes while a model trains."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import PreTrainedModel

from mda.config import unit_sections

# The code of probes, for the fingerprint of a training that watches some.
MODULE = "mda.attribution.questions"


def values(
    watched: Sequence[unit_sections.Target],
    settings: Mapping[str, unit_sections.Probe],
    tokenizer,
    context: int,
    device: torch.device,
) -> dict[str, Callable[[PreTrainedModel], float]]:
    """By target, what measures the value of its probe; see `mda.attribution.questions.watched`.

    The module is named and not imported: the code of a training that watches no probe has none of it, so that
    an edit of a probe reruns no such training. Rules add it to the fingerprint of those that do.
    """
    if not watched:
        return {}
    return importlib.import_module(MODULE).watched(watched, settings, tokenizer, context, device)
