"""From the settings of a probe to a function and its inputs; also evaluates probes during training.

Apart from influence, so that a change of how that is computed reruns no training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from mda.attribution import probes, text_probes
from mda.config import unit_sections
from mda.corpus import prompts
from mda.models import encoders, sequences
from mda.models import model as models
from mda.models.units import parse_all
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


class Question(NamedTuple):
    """A probe, and tokens of shape (sequences, length) that it is called with."""

    probe: probes.Probe
    tokens: torch.Tensor


def of_probe(settings: unit_sections.Probe, tokenizer, context: int, device: torch.device) -> Question:
    """The probe of these settings.

    Args:
        tokenizer: the run's, a `tokenizers.Tokenizer`.
        context: the most tokens that the model reads at once.

    Raises:
        UserError: when its file has what cannot be asked.
    """
    if settings.path is None:
        drawn = sequences.of_probe(settings, sequences.ordinary_tokens(tokenizer))
        return Question(probes.load(settings.measure, tokenizer), torch.from_numpy(drawn).to(device))
    probe = _in_text(settings, Path(settings.path), tokenizer, context, device)
    return Question(probe, max((part.tokens for part in probe.parts), key=torch.Tensor.numel))


def _in_text(
    settings: unit_sections.Probe, path: Path, tokenizer, context: int, device: torch.device
) -> text_probes.Batched:
    if settings.measure == "prompts":
        asked = prompts.encode_prompts(tokenizer, prompts.read_prompts(path), context)
        told = prompts.counted(asked)
        if told is not None:
            log.info("%s: %s", path, told)
        return text_probes.Prompts(asked, device)
    if settings.measure == "feature":
        assert settings.encoder is not None
        assert settings.feature is not None
        assert settings.place is not None
        feature = encoders.Feature(
            Path(settings.encoder), settings.feature, bool(settings.centered), settings.top, device
        )
        pieces = prompts.read_pieces(tokenizer, path, context)
        return text_probes.FeatureOnTexts(feature, settings.place, pieces, device)
    repeated = settings.positions == "repeated"
    pieces = prompts.encode_texts(tokenizer, prompts.read_texts(path), context, repeated)
    return text_probes.Texts(pieces, device)


def watched(
    targets: Sequence[unit_sections.Target],
    settings: Mapping[str, unit_sections.Probe],
    tokenizer,
    context: int,
    device: torch.device,
) -> dict[str, Callable[[PreTrainedModel], float]]:
    """What runs watch of targets whose metric is `probe`: target -> what gives a model's value.

    That of the function `metric` in the file of a user's probe, where it has one; else the probe's own.
    """
    found: dict[str, Callable[[PreTrainedModel], float]] = {}
    for target in targets:
        question = of_probe(settings[target.probe], tokenizer, context, device)
        own = probes.metric(settings[target.probe].measure, tokenizer)
        units = [unit for text in target.units if unit_sections.is_place(text) for unit in parse_all(text)]

        def value(
            model: PreTrainedModel,
            name: str = target.name,
            probe: probes.Probe = own or question.probe,
            tokens: torch.Tensor = question.tokens,
            units: list = units,
        ) -> float:
            # It may read attention patterns.
            with torch.no_grad(), models.attention(model, "eager"):
                measured = probe(model, tokens, units)
            try:
                return float(measured)
            except (TypeError, ValueError, RuntimeError):
                raise UserError(
                    f"target {name}: its metric must return a number, but returned {type(measured).__name__}"
                ) from None

        found[target.name] = value
    return found
