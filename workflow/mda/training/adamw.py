"""AdamW, its learning rate by step, and its state in files."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from mda.config import sections
from mda.models import model as models
from mda.runtime.errors import UserError
from mda.training import acceleration


def learning_rate(settings: sections.Optimizer, step: int) -> float:
    """Learning rate of the update that leads from `step` to `step` + 1.

    Linear warm-up, then constant, linear or cosine decay to `minimum_ratio` of the peak at
    `decay_steps`. 'neox' is GPT-NeoX's cosine (megatron/learning_rates.py, class AnnealingLR),
    with which Pythia was trained: the first update has rate zero, the cosine counts
    `decay_steps` from the end of the warm-up, and `minimum_ratio` is a floor.
    """
    if settings.schedule == "neox":
        return settings.learning_rate * _neox_share(settings, step)
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.schedule == "constant" or settings.decay_steps is None:
        return settings.learning_rate
    progress = (step - settings.warmup_steps) / (settings.decay_steps - settings.warmup_steps)
    progress = min(progress, 1.0)
    decay = 1 - progress if settings.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return settings.learning_rate * (settings.minimum_ratio + (1 - settings.minimum_ratio) * decay)


def _neox_share(settings: sections.Optimizer, step: int) -> float:
    assert settings.decay_steps is not None
    if step <= settings.warmup_steps and settings.warmup_steps > 0:
        return step / settings.warmup_steps
    after = min(step, settings.decay_steps - settings.warmup_steps) - settings.warmup_steps
    return max((1 + math.cos(math.pi * after / settings.decay_steps)) / 2, settings.minimum_ratio)


def make_optimizer(
    model: PreTrainedModel, settings: sections.Optimizer, asked: sections.Acceleration = "auto"
) -> torch.optim.AdamW:
    """AdamW; biases and norms are not decayed, as in GPT-NeoX. On a GPU one kernel updates all parameters."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        fused=acceleration.on_gpu(asked, model) or None,
    )


def save_state(folder: Path, model: PreTrainedModel, optimizer: torch.optim.AdamW) -> None:
    """Save the full training state: a checkpoint in Hugging Face format, and the moments.

    The learning rate and the data position follow from the step, and nothing random is drawn
    while training, so there is no more state than this.
    """
    models.save(model, folder)
    moments = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            moments[f"{name}:{key}"] = value.detach().cpu().contiguous()
    save_file(moments, folder / "optimizer.safetensors")


def load_state(
    folder: Path, settings: sections.Optimizer, numerics: sections.Numerics
) -> tuple[PreTrainedModel, torch.optim.AdamW]:
    """Load what `save_state` saved.

    Raises:
        UserError: when the state is missing or damaged.
    """
    model = models.load(folder, numerics.attention)
    optimizer = make_optimizer(model, settings, numerics.acceleration)
    try:
        moments = load_file(folder / "optimizer.safetensors")
    except Exception as error:  # safetensors raises its own kinds
        raise UserError(f"{folder}: has no whole optimizer state; delete it and run again") from error
    for name, parameter in model.named_parameters():
        state = {
            key.rsplit(":", 1)[1]: value for key, value in moments.items() if key.rsplit(":", 1)[0] == name
        }
        for key, value in state.items():
            # AdamW keeps its step counter on the CPU, unless one kernel does all.
            kept = key == "step" and not optimizer.defaults["fused"]
            state[key] = value if kept else value.to(parameter.device)
        optimizer.state[parameter] = state
    return model, optimizer
