"""How much of a device's memory a batch may take."""

import pytest
import torch

from mda.models import memory
from mda.runtime import gpus

GPU = torch.device("cuda", 0)


@pytest.mark.parametrize("free", [10, 98])
def test_jobs_that_share_a_gpu_share_all_of_it_whatever_others_hold(monkeypatch, free):
    for name, value in {"memory_reserved": 3, "memory_allocated": 1, "mem_get_info": (free, 100)}.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "1")
    assert memory.of_process(GPU) == free + 2
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "4")
    assert memory.of_process(GPU) == 25
