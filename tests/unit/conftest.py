"""Unit tests run on the CPU, where numbers are the same everywhere; those marked `gpu` on a GPU."""

import pytest
import torch

from mda.runtime import parallel


@pytest.fixture(autouse=True)
def _on_the_cpu(request, monkeypatch):
    if "gpu" not in request.keywords:
        monkeypatch.setattr(parallel, "device", lambda: torch.device("cpu"))
