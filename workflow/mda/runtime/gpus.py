"""Choose free GPUs of this machine for a process, so that jobs side by side do not share one.

A claim is a lock on a file for each GPU, in a folder of the user; the system ends it with the
process, however that ends.
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


def claim(count: int) -> list[str]:
    """Take `count` free GPUs until this process ends; waits while others hold them.

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
        taken = _take(folder, names, count)
        if not taken:
            # The step has yet to set up logging.
            print(f"{time.strftime('%H:%M:%S')} waiting for a free GPU", file=sys.stderr, flush=True)
        while not taken:
            time.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311
            taken = _take(folder, names, count)
    except OSError as error:
        raise UserError(
            f"{folder}: GPUs cannot be claimed there ({error.strerror}); mend its permissions, "
            "or set TMPDIR to a folder of yours"
        ) from error
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    return taken


def _take(folder: Path, names: list[str], count: int) -> list[str]:
    """Lock `count` of the GPUs, or none."""
    # One process at a time tries, so that two of them cannot each hold a part of what both need.
    with ExitStack() as gate, ExitStack() as held:
        gate.enter_context(locks.take(folder / "lock", wait=True).stream)
        taken: list[str] = []
        for name in names:
            path = folder / f"gpu-{name.replace('/', '_')}"
            try:
                held.enter_context(locks.take(path, wait=False).stream)
            except locks.Busy:
                continue
            # Some systems delete what has lain unchanged for days.
            os.utime(path)
            taken.append(name)
            if len(taken) == count:
                _held.enter_context(held.pop_all())
                return taken
    return []
