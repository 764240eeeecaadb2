"""React to Ctrl-C and to SIGTERM, which SLURM sends before the time limit, at preemption and at `scancel`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)
_asked = threading.Event()
# Whether it was by Ctrl-C: then the job, in which a user may have a shell of his own, is not queued again.
_by_hand = threading.Event()

# At most so long a saved job of SLURM waits to be ended.
GRACE_SECONDS = 60.0
# Within so long two signals are one.
SAME_SECONDS = 2.0


def asked() -> bool:
    """Whether this process has been told to end, inside of `watched`."""
    return _asked.is_set()


def hand_back(progressed: bool) -> None:
    """In a SLURM job whose state is saved: have it queued again, and wait to be ended.

    A job that ends by itself has failed, and costs one of Snakemake's retries; one that is queued again
    goes on as the same job. A cancelled job is not queued again, nor one that made no step, which would
    go round for ever.

    Args:
        progressed: whether the job has made a step that is saved.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or _by_hand.is_set():
        return
    if progressed and os.environ.get("RANK", "0") == "0" and _may_be_queued_again(job):
        log.info("queueing job %s again", job)
        _scontrol("requeue", job)
    time.sleep(GRACE_SECONDS)


def _may_be_queued_again(job: str) -> bool:
    """Whether the job is told to end, and not ended already: its state is still that of one that runs."""
    shown = (_scontrol("show", "job", "--oneliner", job) or "").split()
    return "JobState=RUNNING" in shown and "Requeue=1" in shown


def _scontrol(*words: str) -> str | None:
    """What `scontrol` prints, or None where there is none or it fails: then SLURM ends the job."""
    try:
        return subprocess.run(
            ["scontrol", *words], text=True, capture_output=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("scontrol %s: %s", " ".join(words), getattr(error, "stderr", None) or error)
        return None


@contextmanager
def watched() -> Iterator[None]:
    """Within, SIGTERM does not end the process but is remembered, so that it can save first.

    So is a first Ctrl-C (SIGINT); a later one ends the process.
    """
    since = 0.0

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal since
        now = time.monotonic()
        if not asked():
            since = now
        # The terminal and a launcher may both tell of the same.
        elif number == signal.SIGINT and now - since > SAME_SECONDS:
            signal.default_int_handler(number, frame)
        if number == signal.SIGINT:
            _by_hand.set()
        _asked.set()

    _asked.clear()
    _by_hand.clear()
    before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()
        _by_hand.clear()
