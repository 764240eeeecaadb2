"""Choose free GPUs of this machine for a process, so that no more jobs are on one than may share it.

A claim is a lock on a file for each GPU, in a folder of the user; the system ends it with the
process, however that ends. Where several jobs may share a GPU, each locks one of its places, too, and a job
that wants a GPU for itself waits for all of them.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path

from mda.runtime import locks
from mda.runtime.errors import UserError

POLL_SECONDS = (0.3, 0.9)
# The variable of the environment that says how many jobs may be on one GPU; `mda run` sets it.
JOBS_PER_GPU = "MDA_JOBS_PER_GPU"

# Open files, whose locks last as long as this process.
_held = ExitStack()


def found() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # CUDA itself stops at the first name that is none.
        names = takewhile(lambda name: name not in ("", "-1"), map(str.strip, visible.split(",")))
        return list(dict.fromkeys(names))
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    # By names that are the same in every container and allocation, and in every order of CUDA's. A GPU in
    # slices (MIG) is used by its slices' names.
    slices, whole = (re.findall(rf"\(UUID: ({kind}-[^)]+)\)", listed.stdout) for kind in ("MIG", "GPU"))
    return slices or whole


def jobs_per_gpu() -> int:
    """How many jobs may be on one GPU at the same time.

    Raises:
        UserError: when the variable of the environment is no such number.
    """
    text = os.environ.get(JOBS_PER_GPU, "1")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"the variable {JOBS_PER_GPU} is '{text}', but must be a whole number, at least 1")
    return int(text)


def places() -> int:
    """How many jobs that use a GPU each fit this machine at the same time."""
    return len(found()) * jobs_per_gpu()


def memory() -> float:
    """Memory of the smallest GPU that the driver lists, in bytes.

    0 where it lists none, and for slices of GPUs (MIG), whose memory it does not list so.
    """
    if any(name.startswith("MIG") for name in found()):
        return 0.0
    question = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(question, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0.0
    return min((int(line) * 2.0**20 for line in listed.split() if line.isdecimal()), default=0.0)


def claim(count: int) -> list[str]:
    """Take `count` free GPUs until this process ends; waits while others hold them.

    Of GPUs that jobs may share (`jobs_per_gpu`) it takes a place on each.

    Sets CUDA_VISIBLE_DEVICES. Without a GPU it does nothing and returns an empty list. Inside a
    SLURM job whose GPUs the scheduler has named it claims among them, by locks of that job's own: its
    numbers may stand for other GPUs in another job. Where it has not, it claims among all that can be seen.

    Raises:
        UserError: when there are fewer GPUs, or the locks cannot be written.
    """
    named = "CUDA_VISIBLE_DEVICES" in os.environ
    owner = "-".join(
        os.environ[key] for key in ("SLURM_JOB_ID", "SLURM_STEP_ID") if named and key in os.environ
    )
    names = found()
    if not names:
        return []
    if len(names) < count:
        raise UserError(
            f"the job asks for {count} GPUs, but this machine has {len(names)}; "
            "lower its resource gpu, or set CUDA_VISIBLE_DEVICES to nothing to use the CPU"
        )
    folder = Path(tempfile.gettempdir()) / "-".join(filter(None, ("mda-gpus", str(os.getuid()), owner)))
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        shared = jobs_per_gpu()
        taken = _take(folder, names, count, shared)
        if not taken:
            # The step has yet to set up logging.
            print(f"{time.strftime('%H:%M:%S')} waiting for a free GPU", file=sys.stderr, flush=True)
        while not taken:
            time.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311
            taken = _take(folder, names, count, shared)
    except OSError as error:
        raise UserError(
            f"{folder}: GPUs cannot be claimed there ({error.strerror}); mend its permissions, "
            "or set TMPDIR to a folder of yours"
        ) from error
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    return taken


def _take(folder: Path, names: list[str], count: int, shared: int) -> list[str]:
    """Lock `count` of the GPUs, or none; of those that are shared, the ones with the fewest jobs."""
    # One process at a time tries, so that two of them cannot each hold a part of what both need.
    with ExitStack() as gate, ExitStack() as held:
        gate.enter_context(locks.take(folder / "lock", wait=True).stream)
        taken: list[str] = []
        for place in range(shared):
            for name in names:
                if name not in taken and (lock := _lock(folder, name, place, shared > 1)) is not None:
                    held.enter_context(lock)
                    taken.append(name)
                if len(taken) == count:
                    _held.enter_context(held.pop_all())
                    return taken
    return []


def _lock(folder: Path, name: str, place: int, shared: bool) -> ExitStack | None:
    """The lock of a GPU, or of a place on it; None when others have it."""
    path = folder / f"gpu-{name.replace('/', '_')}"
    with ExitStack() as held:
        try:
            held.enter_context(locks.take(path, wait=False, shared=shared).stream)
            if shared:
                held.enter_context(locks.take(path.with_name(f"{path.name}-{place}"), wait=False).stream)
        except locks.Busy:
            return None
        # Some systems delete what has lain unchanged for days.
        for file in folder.glob(f"{path.name}*"):
            os.utime(file)
        return held.pop_all()
