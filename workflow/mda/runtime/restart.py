"""Start again after the workflow was killed while its jobs ran on SLURM.

SLURM's jobs outlive a killed Snakemake, and Snakemake takes up none of them: the next run would
start each again beside the first, and make again what has been finished meanwhile. So before it
submits anything, jobs of the earlier run are ended or waited for, and their whole results are set
aside, where the step that is started again finds them (see `files.take_up`). What had ended before
that is in its place, and is judged by what it says of itself (see `judgement`).
"""

from __future__ import annotations

import getpass
import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mda.runtime import files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Rules whose jobs save when they are told to end, so that nothing is lost by ending them.
RESUMABLE = ("base_run", "retrain", "trajectory", "batches")
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Job:
    """A job in SLURM's queue.

    Attributes:
        number: SLURM's, with that of the task in an array.
        rule: as the executor plugin writes it into the comment.
        run: the executor plugin's name of the run of Snakemake that submitted it.
    """

    number: str
    rule: str
    run: str
    pending: bool


def settle(record: Path, run: str | None, planned: Sequence[Sequence[Path]], began: float) -> None:
    """End or await the jobs of earlier runs, and set aside what they finish meanwhile.

    Those that wait in the queue are cancelled, and those that train are told to end, which saves
    their state; the others run to their end.

    Args:
        record: where runs on SLURM are noted, of this experiment alone.
        run: the executor's name of the present run, which is noted; None when it is not on SLURM.
        planned: outputs of each job that is going to be started.
        began: when the plan was begun, by `time.time()`; what is newer has ended meanwhile.

    Raises:
        UserError: when SLURM cannot be asked.
    """
    earlier = set(record.read_text(encoding="utf-8").split()) if record.is_file() else set()
    if earlier:
        _empty(earlier, record)
    for outputs in planned:
        if all(path.exists() and path.stat().st_mtime >= began for path in outputs):
            files.set_aside(outputs)
    # What has ended needs no further look.
    if run is not None:
        files.write_text(record, f"{run}\n")


def over(record: Path) -> None:
    """A run that has finished leaves nothing to settle."""
    record.unlink(missing_ok=True)


def _empty(runs: set[str], record: Path) -> None:
    mine = [job for job in _queue(record) if job.run in runs]
    ended = [job.number for job in mine if job.pending or job.rule in RESUMABLE]
    waited = [job.number for job in mine if job.number not in ended]
    if ended:
        log.warning("ending SLURM jobs of an earlier run: %s", ", ".join(ended))
        _slurm(record, "scancel", *ended)
    if waited:
        log.warning(
            "waiting for SLURM jobs of an earlier run, whose results will be used: %s "
            "(scancel them to give them up)",
            ", ".join(waited),
        )
    while any(job.run in runs for job in _queue(record)):
        time.sleep(POLL_SECONDS)


def _queue(record: Path) -> list[Job]:
    """This user's jobs and array tasks that have not ended."""
    listed = _slurm(
        record, "squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i|%T|%j|%k"
    )
    jobs = []
    for line in listed.splitlines():
        number, state, run, comment = line.split("|", 3)
        rule = comment.removeprefix("rule_").partition("_wildcards_")[0]
        jobs.append(Job(number, rule, run, pending=state == "PENDING"))
    return jobs


def _slurm(record: Path, *command: str) -> str:
    try:
        return subprocess.run(command, text=True, capture_output=True, timeout=120, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise UserError(
            f"SLURM jobs of an earlier run may still work here, but {command[0]} fails "
            f"({str(said).strip()}); run again where SLURM answers, or, if none is left, delete {record}"
        ) from error
