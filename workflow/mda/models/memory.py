"""How many rows fit into the memory of the device in one batch."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from mda.planning.gpu_limits import BATCH_SHARE, HIDDEN, LOGITS, PATTERN
from mda.runtime import gpus

# Used of a CPU's memory, which the scheduler counts.
CPU_BYTES = 2 * 2**30


def row_bytes(model: PreTrainedModel, context: int, logits: bool = True, layers: int | None = None) -> int:
    """Estimate of what the forward and backward pass of one row takes, in bytes.

    Args:
        logits: whether the logits of all its tokens are held; see `mda.models.output_layer`.
        layers: how many are differentiated, and so keep what they computed; None for all.
    """
    settings = model.config
    kept = settings.num_hidden_layers if layers is None else layers
    hidden = kept * settings.hidden_size * HIDDEN
    # Other implementations never hold the whole pattern.
    pairs = context if settings._attn_implementation == "eager" else 0
    pattern = kept * settings.num_attention_heads * pairs * PATTERN
    size = next(model.parameters()).element_size()
    return size * context * (settings.vocab_size * LOGITS * logits + hidden + pattern)


def rows_at_once(model: PreTrainedModel, context: int, logits: bool = True, layers: int | None = None) -> int:
    """Number of rows of `context` tokens to pass through the model at once: a power of two.

    So that a resumed run, which finds a little more or less memory, mostly takes the same number.

    Args:
        logits, layers: see `row_bytes`.
    """
    place = next(model.parameters()).device
    free = BATCH_SHARE * of_process(place) if place.type == "cuda" else CPU_BYTES
    return 1 << max(0, int(free // row_bytes(model, context, logits, layers)).bit_length() - 1)


def of_process(place: torch.device) -> float:
    """Bytes of a GPU's memory that this process may take.

    What is free; of a GPU that jobs share its part of all, whatever the others hold at this moment: jobs that
    are compared must pass the same rows together.
    """
    free, whole = torch.cuda.mem_get_info(place)
    jobs = gpus.jobs_per_gpu()
    unused = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    return free + unused if jobs == 1 else whole / jobs
