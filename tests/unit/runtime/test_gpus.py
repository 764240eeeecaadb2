"""Jobs side by side on one machine, each with GPUs of its own; no GPU is needed."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time

import pytest
import torch
from project import ROOT

from mda.runtime import cli, gpus
from mda.runtime.errors import UserError

HOLD = """
import os, sys
from mda.runtime import gpus
names = sys.argv[2].split()
if names:
    gpus.found = lambda: names
gpus.claim(int(sys.argv[1]))
assert "torch" not in sys.modules
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""

# The test's own folder has no locks; others have.
WITHOUT_LOCKS = """
import errno, fcntl, os, tempfile
real = fcntl.flock
def flock(stream, how):
    if "mda-locks-" not in stream.name or stream.name.startswith(tempfile.gettempdir()):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    real(stream, how)
fcntl.flock = flock
"""


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A machine without a GPU, and a lock folder of this test."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(gpus.tempfile, "tempdir", None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


class Job:
    """A process that claims GPUs and holds them."""

    def __init__(self, count: int, found: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(count), found],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = {name: queue.Queue() for name in ("stdout", "stderr")}
        for name, lines in self.lines.items():
            threading.Thread(target=self._read, args=(name, lines), daemon=True).start()

    def _read(self, name, lines):
        for line in getattr(self.process, name):
            lines.put(line.strip())

    def holds(self) -> set[str]:
        return set(self.lines["stdout"].get(timeout=20).split(","))

    def waits(self) -> bool:
        assert self.lines["stderr"].get(timeout=20).endswith("waiting for a free GPU")
        time.sleep(1.2 * gpus.POLL_SECONDS[1])
        # It says so once.
        return all(lines.empty() for lines in self.lines.values())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def job(alone):
    jobs = []

    def start(count: int, found: str = "") -> Job:
        jobs.append(Job(count, found))
        return jobs[-1]

    yield start
    for each in jobs:
        each.end()


def test_two_jobs_get_different_gpus_and_a_third_waits_for_one(job):
    first, second = job(1, "0 1"), job(1, "0 1")
    held = first.holds()
    assert held | second.holds() == {"0", "1"}
    third = job(1, "0 1")
    assert third.waits()
    first.process.stdin.close()
    assert third.holds() == held


def test_jobs_share_gpus_evenly_and_who_wants_one_alone_waits_for_all_of_them(job, monkeypatch):
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "2")
    sharing, held = [], []
    for _ in range(2):
        # Until each has a job, none gets a second.
        pair = [job(1, "0 1"), job(1, "0 1")]
        names = [each.holds().pop() for each in pair]
        assert set(names) == {"0", "1"}
        sharing, held = sharing + pair, held + names
    assert job(2, "0 1").waits()
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "1")
    alone = job(1, "0 1")
    assert alone.waits()
    of_zero = [each for each, name in zip(sharing, held, strict=True) if name == "0"]
    of_zero[0].end()
    of_zero[1].end()
    # The one before it waits for both GPUs, and holds none meanwhile.
    assert alone.holds() == {"0"}


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_a_wrong_number_of_jobs_per_gpu_is_one_sentence(monkeypatch, text):
    monkeypatch.setenv(gpus.JOBS_PER_GPU, text)
    with pytest.raises(UserError, match=f"MDA_JOBS_PER_GPU is '{text}', but must be a whole number"):
        gpus.jobs_per_gpu()


def test_the_memory_is_that_of_the_smallest_gpu(alone):
    assert gpus.memory() == 0
    list_gpus(alone, "81559\n24576\n")
    assert gpus.memory() == 24576 * 2**20


def test_the_memory_of_a_slice_is_not_that_of_its_gpu(alone, monkeypatch):
    list_gpus(alone, "81559\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-c")
    assert gpus.memory() == 0


def test_a_killed_job_frees_its_gpus(job):
    first = job(2, "0 1")
    assert first.holds() == {"0", "1"}
    second = job(1, "0 1")
    assert second.waits()
    first.end()
    assert second.holds() == {"0"}


def test_claims_of_two_do_not_block_one_another(job):
    single = job(1, "0 1 2")
    assert single.holds() == {"0"}
    pairs = [job(2, "0 1 2"), job(2, "0 1 2")]
    deadline = time.monotonic() + 20
    while all(pair.lines["stdout"].empty() for pair in pairs):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    winner, loser = sorted(pairs, key=lambda pair: pair.lines["stdout"].empty())
    assert winner.holds() == {"1", "2"}
    assert loser.waits()
    # The one that waits holds nothing.
    single.end()
    single = job(1, "0 1 2")
    assert single.holds() == {"0"}
    winner.end()
    assert loser.holds() == {"1", "2"}


def test_the_visible_gpus_are_those_claimed_among(job, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert job(1).holds() | job(1).holds() == {"2", "3"}
    assert job(1).waits()


def test_slurm_jobs_of_one_machine_do_not_wait_for_each_other(alone, job, monkeypatch):
    """Number 0 of one job is another GPU than number 0 of another; inside a job it is one GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert job(1).holds() == {"0"}
    assert job(1).holds() == {"1"}
    assert job(1).waits()
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    assert job(2).holds() == {"0", "1"}


def test_in_an_allocation_that_names_no_gpus_two_jobs_get_different_ones(alone, job, monkeypatch):
    """A shell inside an allocation, and a second one beside it: the names are the machine's."""
    list_gpus(alone, "GPU 0: NVIDIA A100 (UUID: GPU-a)\nGPU 1: NVIDIA A100 (UUID: GPU-b)\n")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    first = job(1)
    assert first.holds() == {"GPU-a"}
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    assert job(1).holds() == {"GPU-b"}
    assert job(1).waits()


def test_on_a_file_system_without_locks_two_jobs_get_different_gpus(job, monkeypatch, alone):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("unit.runtime.test_gpus.HOLD", WITHOUT_LOCKS + HOLD)
    assert job(1).holds() | job(1).holds() == {"0", "1"}
    assert job(1).waits()


@pytest.mark.parametrize("visible", [None, "", "-1"])
def test_without_a_gpu_nothing_is_set(alone, monkeypatch, visible):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.claim(2) == []
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible
    assert not list(alone.iterdir())


LISTS = {
    "GPU 0: NVIDIA A100 (UUID: GPU-a)\nGPU 1: NVIDIA A100 (UUID: GPU-b)\n": ["GPU-a", "GPU-b"],
    "GPU 0: NVIDIA A100 (UUID: GPU-a)\n  MIG 3g.20gb Device  0: (UUID: MIG-c)\n": ["MIG-c"],
    "No devices found.\n": [],
}


def list_gpus(folder, listed, status=0):
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{listed}'\nexit {status}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize("status", [0, 9])
def test_the_driver_lists_the_gpus(alone, listed, status):
    list_gpus(alone, listed, status)
    assert gpus.found() == (LISTS[listed] if status == 0 else [])


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mda.steps.launch", *arguments], capture_output=True, text=True, check=False
    )


def test_more_processes_than_gpus_is_one_sentence(alone, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    ended = launch("3", "mda.steps.training.retrain")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the job asks for 3 GPUs, but this machine has 2; ")
    assert ended.stderr.count("\n") == 1


def test_a_step_for_one_gpu_is_not_run_twice(alone):
    ended = launch("2", "mda.steps.attribution.covariance")
    assert ended.returncode == 1
    wrong = "mda.steps.attribution.covariance uses one GPU, but its resource gpu is 2; set it to 1"
    assert ended.stderr == f"error: {wrong}\n"


def test_a_lock_folder_that_cannot_be_written_is_one_sentence(alone, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (alone / f"mda-gpus-{os.getuid()}").write_text("")
    with pytest.raises(UserError, match="GPUs cannot be claimed there"):
        gpus.claim(1)


def test_a_full_gpu_is_one_sentence(monkeypatch, capsys):
    def step() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(cli, "_record", lambda *arguments: {})
    with pytest.raises(SystemExit) as caught:
        cli.run(step, [])
    assert caught.value.code == 1
    assert capsys.readouterr().err.endswith(
        ": out of GPU memory; lower attribution.fit.batch_size, or set numerics.attention to sdpa\n"
    )


def test_another_error_keeps_its_traceback(monkeypatch):
    def step() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "_record", lambda *arguments: {})
    with pytest.raises(RuntimeError, match="a bug"):
        cli.run(step, [])
