"""Before long jobs: build a small model of the same layers and heads, and call each user probe once.

    MDA_CHECK='{"model": ...}' python -m mda.attribution.checks

A part of the jobs that take long, not a rule: they would all be made again with its results, and with
Snakemake's `ancient` others would be forgotten that are to be made again. Probes are asked of a sketch: the
model's architecture, layers and heads, and small sizes else.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import mda
from mda.attribution import influence, probes, questions, watching
from mda.config import sections, unit_sections
from mda.config.section import Section
from mda.corpus import encoding, tokens
from mda.models import architectures, sequences
from mda.models import model as models
from mda.models.units import Head, Neuron, Unit, parse, parse_all
from mda.runtime import files
from mda.runtime.errors import UserError

HEAD_SIZE = 16
# Tokens of the sketch where the tokenizer is not here yet: a probe may name any of its own.
VOCABULARY = 2**18
# Of attention patterns and what their gradient keeps; a probe gets fewer sequences where it would be more.
MOST_BYTES = 2**29


class Asked(Section):
    """What is made and asked; `tokenizer` may not be there yet; `out` is where it is written down."""

    model: sections.Model
    vocabulary: int | None
    context: int
    targets: list[unit_sections.Target]
    probes: dict[str, unit_sections.Probe]
    tokenizer: str
    out: str


def main(text: str) -> None:
    """Write down what the model is, and each probe's value on a sketch of it.

    Raises:
        UserError: when no model can be made, or a probe fails.
    """
    try:
        asked = Asked.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"MDA_CHECK: {error.errors()[0]['msg']}; run the workflow again") from None
    configured = configuration(asked.model, asked.context, asked.targets)
    # Of a repository on the hub that is not known yet.
    told = {} if asked.model.remote is not None else {"model": described(configured)}
    path = Path(asked.tokenizer)
    tokenizer = tokens.load_tokenizer(path) if path.is_file() else None
    if tokenizer is not None:
        _read_texts(asked.probes, tokenizer, asked.context)
    size = asked.vocabulary or VOCABULARY
    values = ask(configured, asked.context, asked.targets, asked.probes, size, tokenizer)
    files.set_made_by({"step": "checks", "mda": mda.__version__, "parameters": asked.model_dump(mode="json")})
    files.write_json(Path(asked.out), {**told, "probes": values})


def configuration(model: sections.Model, context: int, targets: Sequence[unit_sections.Target]) -> Any:
    """The configuration of the model in transformers, as far as it is known before a download.

    Raises:
        UserError: when no model can be made of the settings.
    """
    if model.local is not None:
        return models.of_folder(model.local)
    if model.remote is None:
        return models.configuration(model, 64, context)
    # Of a repository on the hub nothing is here yet: large enough for the units that are named by place.
    named = [unit for target in targets for unit in _placed(target)]
    heads = max([2, *(unit.number + 1 for unit in named if isinstance(unit, Head))])
    # Ranks need as many heads as there are of them.
    heads = max([heads, *(len(target.units) for target in targets)])
    layers = max([2, *(unit.layer + 1 for unit in named)])
    width = heads * HEAD_SIZE
    small = {"num_hidden_layers": layers, "num_attention_heads": heads, "hidden_size": width}
    found = AutoConfig.for_model(model.architecture, **small)
    if hasattr(found, "num_key_value_heads"):
        found.num_key_value_heads = heads
    return found


def described(configured: Any) -> dict[str, Any]:
    """What the model is: architecture, layers, heads, and its parameters but for embeddings.

    Raises:
        UserError: when no model can be made of the configuration.
    """
    with torch.device("meta"):
        model = models.initialized(configured, "eager")
    models.check_kind(model)
    layers, heads, size = architectures.shape(model)
    embeddings = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings())}
    return {
        "architecture": configured.model_type,
        "layers": layers,
        "heads": heads,
        "head_size": size,
        "parameters_without_embeddings": sum(
            weight.numel() for weight in model.parameters() if id(weight) not in embeddings
        ),
    }


def sketch(configured: Any, context: int, vocabulary: int, neurons: int) -> PreTrainedModel:
    """A small model of the same architecture, layers and heads, from fixed random weights."""
    small = copy.deepcopy(configured)
    width = small.num_attention_heads * HEAD_SIZE
    changes = {"hidden_size": width, "vocab_size": vocabulary, "max_position_embeddings": context}
    changes |= {"n_inner" if hasattr(small, "n_inner") else "intermediate_size": neurons}
    if getattr(small, "head_dim", None) is not None:
        changes["head_dim"] = HEAD_SIZE
    changes |= dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
    for key, value in changes.items():
        setattr(small, key, value)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(small, attn_implementation="eager").float().eval()


def units_of(target: unit_sections.Target, layers: int, heads: int) -> list[Unit]:
    """The target's units; of ranks and classes, which nobody knows yet, heads from the last layer on."""
    every = [Head(layer, number) for layer in reversed(range(layers)) for number in range(heads)]
    placed = _placed(target)
    unknown = sum(not unit_sections.is_place(unit) for unit in target.units)
    return [*placed, *[head for head in every if head not in placed][:unknown]]


def _placed(target: unit_sections.Target) -> list[Unit]:
    """Those of its units that are named by place."""
    return [unit for text in target.units if unit_sections.is_place(text) for unit in parse_all(text)]


def ask(
    configured: Any,
    context: int,
    targets: Sequence[unit_sections.Target],
    settings: dict[str, unit_sections.Probe],
    size: int = 64,
    tokenizer: Any = None,
) -> dict[str, float]:
    """Ask the users' own probes, once a target, for a value and its gradient; target -> value.

    Args:
        size: tokens of the vocabulary.
        tokenizer: the run's; without it, probes that want it are not asked.

    Raises:
        UserError: when a probe fails, or its value or gradient is not finite.
    """
    own = [
        target
        for target in targets
        if settings[target.probe].file is not None
        and (tokenizer is not None or not probes.wants_tokenizer(settings[target.probe].measure))
    ]
    if not own:
        return {}
    places = [parse(unit) for target in own if target.neurons for unit in target.units]
    longest = max(settings[target.probe].sequence_length for target in own)
    vocabulary = np.arange(2, max(64, longest) + 2)
    neurons = max([HEAD_SIZE, *(unit.number + 1 for unit in places if isinstance(unit, Neuron))])
    size = max(size, len(vocabulary) + 2, 0 if tokenizer is None else encoding.size(tokenizer))
    model = sketch(configured, max(context, longest), size, neurons)
    model.requires_grad_(False)
    layers, heads, _ = architectures.shape(model)
    return {
        target.name: _value(
            model, target, units_of(target, layers, heads), settings[target.probe], vocabulary, tokenizer
        )
        for target in own
    }


def _read_texts(settings: dict[str, unit_sections.Probe], tokenizer: Any, context: int) -> None:
    """Encode what probes are asked in text.

    Raises:
        UserError: when a prompt or text cannot be asked; it names the probe.
    """
    for name, probe in settings.items():
        if probe.path is not None:
            try:
                questions.of_probe(probe, tokenizer, context, torch.device("cpu"))
            except UserError as error:
                raise UserError(f"probes.{name}.path: {error}") from None


def _value(
    model: PreTrainedModel,
    target: unit_sections.Target,
    units: Sequence[Unit],
    settings: unit_sections.Probe,
    vocabulary: np.ndarray,
    tokenizer: Any,
) -> float:
    layers, heads, _ = architectures.shape(model)
    patterns = 12 * layers * heads * settings.sequence_length**2
    logits = 12 * model.config.vocab_size * settings.sequence_length
    fit = MOST_BYTES // (patterns + logits)
    drawn = torch.from_numpy(sequences.of_probe(settings, vocabulary))[: max(2, fit)]
    asked: list[torch.Tensor] = []
    probe = probes.load(settings.measure, tokenizer)

    where = f"probe {settings.measure}: asked of target {target.name}"

    def noted(*arguments: Any) -> torch.Tensor:
        asked.append(probe(*arguments))
        if not torch.isfinite(asked[-1]):
            raise UserError(f"{where}, its value is not finite; mend it")
        return asked[-1]

    blocks = watching.blocks_of(model, units)
    counted = [block for unit in units for kind, block in blocks[unit].items() if kind in target.blocks]
    gradients = influence.probe_gradients(model, influence.Query(target.name, units, noted, drawn), counted)
    if not all(each.isfinite().all() for each in gradients.values()):
        raise UserError(f"{where}, its gradient is not finite; mend it")
    if not any(each.any() for each in gradients.values()):
        # A trained model may have what a sketch has not: an activation above a threshold.
        print(
            f"warning: {where}, it has no gradient in {', '.join(target.blocks)} of "
            f"{', '.join(map(str, units))} of a sketch of the model; of a model where it has none either, "
            "every influence is 0",
            file=sys.stderr,
        )
    return float(asked[0].detach())


def run(text: str) -> int:
    """The same, with an error as a sentence; returns the exit status."""
    try:
        main(text)
    except UserError as error:
        print(f"error before the step: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # As a module of another workflow there is nothing to ask.
    sys.exit(run(os.environ["MDA_CHECK"]) if "MDA_CHECK" in os.environ else 0)
