"""Two processes that walk back through a training together, held against one; one of them killed or told."""

import os
import subprocess

import numpy as np
import pytest
import torch
from project import ROOT
from unit.attribution import test_trajectory, walking


def together(python, folder, ways, how="end", calls=0):
    """A walk in two processes; returns what they say."""
    several = "-m torch.distributed.run --nproc-per-node=2 --rdzv-backend=c10d --rdzv-endpoint=localhost:0"
    folder.mkdir(exist_ok=True)
    given = ["-m", "unit.attribution.walking", str(folder), ways, how, str(calls)]
    environment = {
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("workflow", "tests")),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    ran = subprocess.run(
        [python, *several.split(), *given],
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
    )
    assert (ran.returncode == 0) == (how == "end"), ran.stdout[-3000:]
    return ran.stdout


@pytest.fixture(scope="module")
def two(warm_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    together(warm_python, folder, "plain,fused")
    return np.load(folder / "found.npz")


def test_two_processes_find_what_one_finds(two, tmp_path, monkeypatch):
    """Samples of every role, a clip that acts, and an update that leaves the second without a row."""
    monkeypatch.setattr(torch.nn.functional, "softmax", test_trajectory.softmax)
    alone = walking.walk(tmp_path).follow()._asdict()
    for name, mine in two.items():
        theirs = alone[name.partition("-")[2]]
        assert np.nanmax(np.abs(theirs)) > 0
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-7 * np.nanmax(np.abs(theirs)))


@pytest.mark.parametrize(("how", "calls"), [("kill", 5), ("tell", 8)])
def test_two_processes_of_which_one_ends_go_on_to_the_same_numbers(two, warm_python, tmp_path, how, calls):
    said = together(warm_python, tmp_path, "plain", how, calls)
    if how == "tell":
        assert all(f"(process {number})" in said for number in (0, 1)), said
    assert list(tmp_path.glob("plain/back-*"))
    together(warm_python, tmp_path, "plain")
    found = np.load(tmp_path / "found.npz")
    assert len(found) == 3
    for name, mine in found.items():
        assert np.array_equal(mine, two[name], equal_nan=True)
