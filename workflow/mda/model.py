"""Making, loading and saving models."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from mda import architectures, files, sections
from mda.errors import UserError

transformers_logging.disable_progress_bar()

# One implementation everywhere: it gives attention patterns, and a resumed run whose model came
# from a file must compute bit for bit what the run that made the model computes.
ATTENTION = "eager"


def device() -> torch.device:
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def create(settings: sections.Model, vocabulary: int, context: int) -> PreTrainedModel:
    """A model initialized from the configured seed, or read from the configured checkpoint.

    Args:
        vocabulary: number of tokens of the tokenizer.
        context: number of tokens the model must be able to read.

    Raises:
        UserError: for an unknown architecture or setting, and for a checkpoint whose
            vocabulary or context is too small.
    """
    if settings.checkpoint is not None:
        model = _load(settings.checkpoint, settings.revision)
    else:
        torch.manual_seed(settings.seed)
        model = _initialize(_configuration(settings, vocabulary, context))
    architectures.of(model)
    _check_dropout(model)
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
    return model.float().to(device())


def _configuration(settings: sections.Model, vocabulary: int, context: int) -> Any:
    known = AutoConfig.for_model(settings.architecture).to_dict()
    for key in settings.settings:
        # transformers takes any key in silence, so a misspelt one would be lost.
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UserError(f"model.settings: unknown key '{key}'; did you mean '{near}'?")
    sizes = {"vocab_size": vocabulary, "max_position_embeddings": context}
    try:
        return AutoConfig.for_model(settings.architecture, **{**sizes, **settings.settings})
    except Exception as error:  # the configuration's validation raises its own kinds
        raise _bad_settings(error) from error


def _initialize(configuration: Any) -> PreTrainedModel:
    try:
        return AutoModelForCausalLM.from_config(configuration, attn_implementation=ATTENTION)
    except (ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError) as error:
        raise _bad_settings(error) from error


def _bad_settings(error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"model.settings: no model can be made of them ({reason}); mend them")


def _check_dropout(model: PreTrainedModel) -> None:
    for key, value in model.config.to_dict().items():
        # The classifier's belongs to a head that language models do not have.
        if "dropout" in key and not key.startswith("classifier") and isinstance(value, float) and value > 0:
            # A branch would have to draw the masks that the base run drew.
            raise UserError(
                f"model.settings.{key} is {value}, but runs can only be compared without dropout; set it to 0"
            )


def load(folder: Path) -> PreTrainedModel:
    """Load a checkpoint that the run saved.

    Raises:
        UserError: when it is missing or damaged.
    """
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: is no checkpoint (it has no config.json); delete the folder "
            f"{folder.parent.parent.name}/{folder.parent.name} and run again"
        )
    return _load(str(folder), None).float().to(device())


def _load(name: str, revision: str | None) -> PreTrainedModel:
    try:
        return AutoModelForCausalLM.from_pretrained(
            name, revision=revision or "main", use_safetensors=True, attn_implementation=ATTENTION
        )
    except Exception as error:  # safetensors and huggingface_hub raise many kinds
        raise UserError(
            f"checkpoint {name}: cannot be loaded ({str(error).splitlines()[0]}); "
            "check model.checkpoint and model.revision, or delete the folder and run again"
        ) from error


def save(model: PreTrainedModel, folder: Path) -> None:
    """Save in Hugging Face format (safetensors), with what made it in `made_by.json`."""
    model.save_pretrained(folder)
    (folder / "made_by.json").write_text(files.made_by() + "\n", encoding="utf-8")
