"""Make, load, run and save models."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.utils import logging as transformers_logging

from mda.config import sections
from mda.config.model_settings import is_dropout
from mda.models import architectures
from mda.runtime import files, parallel
from mda.runtime.errors import UserError

transformers_logging.disable_progress_bar()

log = logging.getLogger(__name__)

# PyTorch's attention without a mask. Before it makes a mask that it then drops, transformers asks the GPU
# whether rows hold several texts, for which Python would wait in every pass; here a row is one text.
CAUSAL = "causal_sdpa"
AttentionInterface.register(CAUSAL, sdpa_attention_forward)


def precision(place: torch.device, name: sections.ScoringPrecision) -> AbstractContextManager:
    """Within, matrix products are computed in this precision, whatever the parameters' own.

    A model whose weights are in bf16 computes everything so.
    """
    return torch.autocast(place.type, torch.bfloat16) if name == "bf16" else nullcontext()


def weights(name: sections.ScoringPrecision) -> torch.dtype:
    """The type of the parameters, for passes in this precision."""
    return torch.bfloat16 if name == "bf16_weights" else torch.float32


def cross_entropies(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every prediction, in nats.

    With the vocabulary as the last dimension, which on a CPU is several times faster than as the second.

    Args:
        logits: shape (batch, context, vocabulary).
        labels: shape (batch, context), which the result has too.
    """
    found = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return found.view(labels.shape)


def create(
    settings: sections.Model, start: Path | None, vocabulary: int, context: int, attention: str
) -> PreTrainedModel:
    """A model initialized from the configured seed, or read from a checkpoint, to be trained.

    It has no dropout, whatever the checkpoint says: a branch would have to draw the masks that
    the base run drew.

    Args:
        start: folder of the checkpoint, if there is one.
        vocabulary: number of tokens of the tokenizer.
        context: number of tokens the model must be able to read.
        attention: implementation in transformers, eager or sdpa.

    Raises:
        UserError: for an unknown architecture or setting, and for a checkpoint whose
            vocabulary or context is too small.
    """
    if start is not None:
        model = _load(start, attention, to_train=True)
    else:
        torch.manual_seed(settings.seed)
        model = initialized(configuration(settings, vocabulary, context), attention)
    check_kind(model)
    if model.config.vocab_size < vocabulary:
        raise UserError(
            f"model: has a vocabulary of {model.config.vocab_size}, but the tokenizer has {vocabulary} "
            "tokens; use the tokenizer that belongs to the model"
        )
    if model.config.max_position_embeddings < context:
        raise UserError(
            f"model: reads at most {model.config.max_position_embeddings} tokens, but tokens.context "
            f"is {context}; lower it"
        )
    return placed(model)


def placed(model: PreTrainedModel) -> PreTrainedModel:
    """The model on this process's device, where sdpa needs no mask."""
    model = model.to(parallel.device())
    window = getattr(model.config, "sliding_window", None)
    unlimited = window is None or window >= model.config.max_position_embeddings
    if parallel.device().type == "cuda" and model.config._attn_implementation == "sdpa" and unlimited:
        model.set_attn_implementation(CAUSAL)
    return model


def configuration(settings: sections.Model, vocabulary: int, context: int) -> Any:
    """The configuration in transformers that settings give, without dropout.

    Raises:
        UserError: when they give none.
    """
    standard = AutoConfig.for_model(settings.architecture)
    # Names of another architecture that this one takes for its own: hidden_size is GPT-2's n_embd.
    aliases = standard.attribute_map
    # That the names are known was checked with the configuration; transformers takes any in silence.
    chosen = {aliases.get(key, key): value for key, value in settings.settings.items()}
    known = standard.to_dict()
    defaults: dict[str, Any] = {key: 0.0 for key in known if is_dropout(key)}
    # Special tokens are the tokenizer's. OLMo 2 would pad with 1, whose embedding then never learns.
    defaults |= dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
    defaults["vocab_size"] = vocabulary
    defaults[aliases.get("max_position_embeddings", "max_position_embeddings")] = context
    try:
        return AutoConfig.for_model(settings.architecture, **{**defaults, **chosen})
    except Exception as error:  # the configuration's validation raises its own kinds
        raise _bad_settings(error) from error


def initialized(configuration: Any, attention: str) -> PreTrainedModel:
    """A model of this configuration, with new weights.

    Raises:
        UserError: when none can be made of it.
    """
    try:
        return AutoModelForCausalLM.from_config(
            configuration, attn_implementation=attention, dtype=torch.float32
        )
    except (ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError) as error:
        raise _bad_settings(error) from error


def _bad_settings(error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"model.settings: no model can be made of them ({reason}); mend them")


def of_folder(folder: Path) -> Any:
    """The configuration of a checkpoint, without dropout.

    Raises:
        UserError: when it cannot be read.
    """
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, **_without_dropout(folder))
    except Exception as error:  # transformers raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _bad_checkpoint(folder, f"has a config.json that makes no model ({reason})") from error


def _without_dropout(folder: Path) -> dict[str, float]:
    found = AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    dropout = {key: value for key, value in found.items() if is_dropout(key) and value}
    for key, value in dropout.items():
        log.info("%s of the checkpoint, %s, is set to 0: runs are compared without dropout", key, value)
    return dict.fromkeys(dropout, 0.0)


def check_kind(model: PreTrainedModel) -> None:
    """Refuse a model that cannot be traced or compared.

    Raises:
        UserError: for an unknown architecture, dropout, or uneven groups of heads.
    """
    architectures.of(model)
    _check_dropout(model)
    _check_groups(model)


def _check_dropout(model: PreTrainedModel) -> None:
    for key, value in model.config.to_dict().items():
        if is_dropout(key) and isinstance(value, (int, float)) and value > 0:
            raise UserError(
                f"model.settings.{key} is {value}, but runs can only be compared without dropout; set it to 0"
            )


def _check_groups(model: PreTrainedModel) -> None:
    _, heads, _ = architectures.shape(model)
    shared = architectures.shared_heads(model)
    if heads % shared:
        raise UserError(
            f"model.settings: {heads} attention heads cannot share {shared} of keys and values evenly; "
            "set num_key_value_heads to a divisor"
        )


def load(
    folder: Path, attention: str = "eager", precision: sections.ScoringPrecision = "fp32"
) -> PreTrainedModel:
    """Load a checkpoint, whatever type its weights are stored in.

    Args:
        attention: implementation in transformers, eager or sdpa.
        precision: what it is used for; see `weights`.

    Raises:
        UserError: when it is missing or damaged, or lacks a tensor.
    """
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: is no checkpoint (it has no config.json); delete the folder "
            f"{folder.parent.parent.name}/{folder.parent.name} and run again"
        )
    return placed(_load(folder, attention, weights(precision)))


def _load(
    folder: Path, attention: str, kind: torch.dtype = torch.float32, to_train: bool = False
) -> PreTrainedModel:
    try:
        changes = _without_dropout(folder) if to_train else {}
        model, information = AutoModelForCausalLM.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            attn_implementation=attention,
            output_loading_info=True,
            # What is computed once, such as the angles of rotary positions, stays in float32.
            dtype=kind,
            # Wrong shapes are refused below, by name.
            ignore_mismatched_sizes=True,
            **changes,
        )
    except Exception as error:  # safetensors and transformers raise many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _bad_checkpoint(folder, f"cannot be loaded ({reason})") from error
    _check_tensors(folder, model, information)
    return model


def _check_tensors(folder: Path, model: PreTrainedModel, information: dict[str, Any]) -> None:
    """Whether all weights are the checkpoint's: transformers fills what it lacks with random numbers."""
    missing = information["missing_keys"]
    if missing:
        # A tied weight is missing only together with the one that it is tied to, which is in the file.
        tied = getattr(model, "all_tied_weights_keys", {})
        first = min(missing, key=lambda name: (name in tied, name))
        raise _bad_checkpoint(folder, f"lacks the tensor {first}")
    for name, found, wanted in sorted(information["mismatched_keys"]):
        shapes = f"{tuple(found)}, but config.json makes it {tuple(wanted)}"
        raise _bad_checkpoint(folder, f"has the tensor {name} of shape {shapes}")
    # Of other parts than layers, such as a head that classifies, this model has no use. A constant of old
    # versions, which is no weight, stands in the layers of GPT-2.
    unused = sorted(
        name
        for name in information["unexpected_keys"]
        if re.search(r"(^|\.)(h|layers)\.\d+\.", name) and not name.endswith(".masked_bias")
    )
    if unused:
        raise _bad_checkpoint(
            folder, f"has the tensor {unused[0]}, for which the model of its config.json has no place"
        )
    for name, weight in model.named_parameters():
        # Of what is not finite the sum is not either; no copy is made.
        if not weight.detach().sum(dtype=torch.float32).isfinite():
            raise _bad_checkpoint(folder, f"has numbers in the tensor {name} that are not finite")


def _bad_checkpoint(folder: Path, what: str) -> UserError:
    # One that is traced is laid out as links to the user's files.
    place, config = folder, folder / "config.json"
    if config.is_symlink():
        place = config.resolve().parent
    return UserError(
        f"checkpoint {place}: {what}; check model.checkpoint or trace.checkpoints, or, if the run made it, "
        "delete the folder and run again"
    )


@contextmanager
def attention(model: PreTrainedModel, implementation: str) -> Iterator[None]:
    """Within, the model runs this implementation; only eager gives attention patterns."""
    before = model.config._attn_implementation
    model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def inputs_of(modules: Sequence[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """Within, what these modules read is kept, in the order of their calls."""
    kept: list[torch.Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0])) for module in modules
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def save(model: PreTrainedModel, folder: Path) -> None:
    """Save in Hugging Face format (safetensors), with what made it in `made_by.json`."""
    model.save_pretrained(folder)
    (folder / "made_by.json").write_text(files.made_by() + "\n", encoding="utf-8")
