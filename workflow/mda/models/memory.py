"""How many rows fit into the memory of the device in one batch."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from mda.runtime import gpus

# Used of the free GPU memory, and of a CPU's, whose memory the scheduler counts.
GPU_SHARE = 0.6
CPU_BYTES = 2 * 2**30
# Values a token and hidden unit that a layer keeps for the backward pass (Korthikanti et al.
# 2022, arXiv 2205.05198, eq. 1: 34 bytes in 16 bit), those a pair of tokens and head keeps in
# eager attention, and those a token and vocabulary entry keeps for the loss.
HIDDEN, PATTERN, LOGITS = 17, 3, 4


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
    free = usable(next(model.parameters()).device)
    return 1 << max(0, int(free // row_bytes(model, context, logits, layers)).bit_length() - 1)


def usable(place: torch.device) -> float:
    """Bytes of a device's memory that a batch may take; of a GPU that jobs share, a part."""
    if place.type != "cuda":
        return CPU_BYTES
    unused = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    return GPU_SHARE * (torch.cuda.mem_get_info(place)[0] + unused) / gpus.jobs_per_gpu()
