"""How many trainings share a GPU follows from the model's size and the GPU's memory."""

import math
from types import SimpleNamespace

import pytest
import torch
from project import ROOT

from mda.config.merged import configuration
from mda.models import memory
from mda.planning import gpu_sharing

LARGE_GPU, SMALL_GPU = 80e9, 24e9


def jobs(overlay: str | None, memory: float, *settings: str) -> int:
    paths = [] if overlay is None else [ROOT / "experiments" / overlay]
    return gpu_sharing.jobs_per_gpu(configuration(paths, settings), memory)


def test_small_models_share_a_gpu_and_large_ones_do_not():
    assert jobs(None, LARGE_GPU) == gpu_sharing.MOST
    assert 6 <= jobs("python-packages.yaml", LARGE_GPU) <= gpu_sharing.MOST
    # Its updates have 2 million tokens.
    assert jobs("pythia-14m.yaml", LARGE_GPU) == 1
    assert jobs("olmo2-1b.yaml", LARGE_GPU) == 1


def test_no_more_share_it_than_fit():
    few = jobs("python-packages.yaml", SMALL_GPU)
    assert 1 < few < gpu_sharing.MOST
    # Eager attention holds its patterns.
    assert jobs("python-packages.yaml", SMALL_GPU, "numerics={attention: eager}") < few
    assert jobs("python-packages.yaml", 1e9) == 1


@pytest.mark.parametrize("card", [6e9, 12e9, 24e9, 48e9, 80e9])
@pytest.mark.parametrize("overlay", [None, "python-packages.yaml", "python-packages-cpu.yaml"])
def test_a_job_that_shares_a_gpu_passes_its_largest_update_at_once(overlay, card):
    """Or it would accumulate, by another rounding than alone."""
    config = configuration([] if overlay is None else [ROOT / "experiments" / overlay], [])
    number = gpu_sharing.jobs_per_gpu(config, card)
    if number == 1:
        return
    shape = config.model.shape()
    settings = SimpleNamespace(
        vocab_size=50_000,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        _attn_implementation=config.numerics.attention,
    )
    model = SimpleNamespace(config=settings, parameters=lambda: iter([torch.zeros(1)]))
    row = memory.row_bytes(model, config.tokens.context, logits=False)
    # With as many samples again.
    assert 2 ** int(math.log2(memory.BATCH_SHARE * card / number / row)) >= 2 * config.run.batch_size


@pytest.mark.parametrize(("batch", "expected"), [(64, gpu_sharing.MOST), (4096, 1)])
def test_a_large_update_leaves_no_room(batch, expected):
    assert jobs("python-packages.yaml", 1e12, f"run={{batch_size: {batch}}}") == expected
