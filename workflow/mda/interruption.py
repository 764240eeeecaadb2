"""Being told to end: SIGTERM, which SLURM sends before the time limit, at preemption and at `scancel`."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()

# At most so long a saved job of SLURM waits to be ended.
GRACE_SECONDS = 60.0


def asked() -> bool:
    """Whether this process has been told to end, inside of `watched`."""
    return _asked.is_set()


def await_end() -> None:
    """In a SLURM job, wait to be ended.

    A job that ends by itself has failed; one that SLURM ends was preempted, and is queued again by
    SLURM, or out of time, or cancelled.
    """
    if "SLURM_JOB_ID" in os.environ:
        time.sleep(GRACE_SECONDS)


@contextmanager
def watched() -> Iterator[None]:
    """Within, SIGTERM does not end the process but is remembered, so that it can save first."""

    def remember(number: int, frame: FrameType | None) -> None:
        del number, frame
        _asked.set()

    _asked.clear()
    before = signal.signal(signal.SIGTERM, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _asked.clear()
