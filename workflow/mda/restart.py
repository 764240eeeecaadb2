"""Going on after the workflow was killed while its jobs ran on SLURM.

SLURM's jobs outlive a killed Snakemake, and Snakemake takes up none of them: the next run would
start each again beside the first, and make again what has been finished meanwhile. So before it
submits anything, jobs of the earlier run are ended or waited for, and their whole results are set
aside, where the step that is started again finds them (see `files.take_up`). What had ended before
that is in its place, but without a record of what made it (see `vouch`).
"""

from __future__ import annotations

import getpass
import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mda import cli, files
from mda.errors import UserError

log = logging.getLogger(__name__)

# Rules whose jobs save when they are told to end, so that nothing is lost by ending them.
RESUMABLE = ("base_run", "retrain", "batches")
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Unrecorded:
    """A job that an earlier run submitted and did not see the end of.

    Attributes:
        number: SLURM's number of the job, with that of the task in an array.
    """

    number: str
    rule: str
    outputs: tuple[Path, ...]


def settle(jobs: Sequence[Unrecorded]) -> None:
    """Wait until none of the jobs is alive, and set their whole results aside.

    Those that wait in the queue are cancelled, and those that train are told to end, which saves
    their state; the others run to their end.

    Raises:
        UserError: when SLURM cannot be asked.
    """
    if not jobs:
        return
    alive = _alive()
    mine = [job for job in jobs if job.number in alive]
    ended = [job.number for job in mine if alive[job.number] == "PENDING" or job.rule in RESUMABLE]
    if ended:
        log.warning("ending SLURM jobs of an earlier run: %s", ", ".join(ended))
        _slurm("scancel", *ended)
    waited = [job.number for job in mine if job.number not in ended]
    if waited:
        log.warning(
            "waiting for SLURM jobs of an earlier run, whose results will be used: %s "
            "(scancel them to give them up)",
            ", ".join(waited),
        )
    while mine:
        time.sleep(POLL_SECONDS)
        alive = _alive()
        mine = [job for job in mine if job.number in alive]
    for job in jobs:
        files.set_aside(job.outputs)


def vouch(command: str, outputs: Sequence[Path]) -> None:
    """Make sure that results without a record in Snakemake are what `command` would make now.

    A job that ends while the workflow is dead leaves its results, but nobody who notes their
    parameters; Snakemake takes such results for current, whatever the configuration says now.

    Raises:
        UserError: when they are not, or do not say.
    """
    told = [files.made_by_of(path) for path in outputs]
    if not any(told) or {*told} - {None} != {cli.would_be_made_by(command)}:
        raise UserError(
            f"{', '.join(map(str, outputs))}: made by a job whose end no workflow has seen, and not by the "
            "present settings and code; delete them and run the same command again"
        )


def _alive() -> dict[str, str]:
    """State of each job and array task of this user that has not ended."""
    listed = _slurm("squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i|%T")
    return dict(line.split("|") for line in listed.splitlines())


def _slurm(*command: str) -> str:
    try:
        return subprocess.run(command, text=True, capture_output=True, timeout=120, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise UserError(
            f"SLURM jobs of an earlier run may still work here, but {command[0]} fails "
            f"({str(said).strip()}); run again where SLURM answers"
        ) from error
