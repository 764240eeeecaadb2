"""How much of a device's memory a batch may take."""

import torch

from mda.models import memory
from mda.runtime import gpus


def test_jobs_that_share_a_gpu_share_its_memory(monkeypatch):
    place = torch.device("cuda", 0)
    for name, value in {"memory_reserved": 3, "memory_allocated": 1, "mem_get_info": (98, 100)}.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "1")
    assert memory.usable(place) == memory.GPU_SHARE * 100
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "4")
    assert memory.usable(place) == memory.GPU_SHARE * 25
    assert memory.usable(torch.device("cpu")) == memory.CPU_BYTES
