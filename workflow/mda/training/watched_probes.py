"""What measures a model while it trains, with the values of probes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel

from mda.config import sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.models import metrics, sequences
from mda.models.units import Neuron
from mda.runtime import parallel

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


def evaluator(
    measured: sections.Metrics,
    held_out: TokenStore,
    tokenizer,
    neurons: Sequence[str],
    text: Sequence[Path],
    watched: Sequence[unit_sections.Target],
    settings: Mapping[str, unit_sections.Probe],
) -> metrics.Evaluator:
    """What measures a model at every evaluation, on the device.

    Args:
        neurons: the names of those whose activation is measured, such as L1N37.
        text: a token store for the ICL score, or none for the held-out rows.
        watched: the targets whose probe is measured.
        settings: of the probes that they name.
    """
    device = parallel.device()
    return metrics.Evaluator(
        measured,
        held_out.tokens,
        sequences.ordinary_tokens(tokenizer),
        device,
        [Neuron.parse(neuron) for neuron in neurons],
        text,
        values(watched, settings, tokenizer, held_out.context, device),
    )
