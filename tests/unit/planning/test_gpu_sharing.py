"""How many trainings share a GPU follows from the model's size and the GPU's memory."""

import pytest
from project import ROOT

from mda.config.merged import configuration
from mda.planning import gpu_sharing

LARGE_GPU, SMALL_GPU = 80e9, 8e9


def jobs(overlay: str | None, memory: float, *settings: str) -> int:
    paths = [] if overlay is None else [ROOT / "experiments" / overlay]
    return gpu_sharing.jobs_per_gpu(configuration(paths, settings), memory)


def test_small_models_share_a_gpu_and_large_ones_do_not():
    assert jobs(None, LARGE_GPU) == gpu_sharing.MOST
    assert jobs("python-packages.yaml", LARGE_GPU) == gpu_sharing.MOST
    # Its updates have 2 million tokens.
    assert jobs("pythia-14m.yaml", LARGE_GPU) == 1
    assert jobs("olmo2-1b.yaml", LARGE_GPU) == 1


def test_no_more_share_it_than_fit():
    few = jobs("python-packages.yaml", SMALL_GPU)
    assert 1 <= few < gpu_sharing.MOST
    # Eager attention holds its patterns.
    assert jobs("python-packages.yaml", SMALL_GPU, "numerics={attention: eager}") < few
    assert jobs("python-packages.yaml", 1e9) == 1


@pytest.mark.parametrize(("batch", "expected"), [(64, gpu_sharing.MOST), (4096, 1)])
def test_a_large_update_leaves_no_room(batch, expected):
    assert jobs("python-packages.yaml", 1e12, f"run={{batch_size: {batch}}}") == expected
