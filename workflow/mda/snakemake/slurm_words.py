"""What SLURM says of a job: why it ended, and whether a refusal of `sbatch` is for now or for good."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What a job had too little of, so that more of it helps.
MEMORY, TIME = "mem_mb", "runtime"
SECONDS = 30
# Of a SLURM log, which may be long: its end.
LAST_BYTES = 20_000
# In the log of a job that used too much memory. Not every site's SLURM makes a state of it.
OVER_MEMORY = re.compile(r"exceeded (job )?memory limit|oom[-_ ]?kill|out of memory", re.IGNORECASE)
# Of sbatch: the controller is away or busy, or the user has as many jobs as may be. SLURM's own words.
FOR_NOW = re.compile(
    r"unable to contact|socket timed out|connection (refused|timed out|reset|failure)|connect failure"
    r"|resource temporarily unavailable|zero bytes were transmitted|message (send|receive) failure"
    r"|communication (connection )?failure|transport endpoint|standby mode|temporarily unable to accept"
    r"|queue (is )?full|partition not available|SubmitJobs?(Per\w+)?Limit|broken pipe",
    re.IGNORECASE,
)
# Either a limit on the number of jobs, which passes, or one on what a job asks for, which does not.
POLICY = "Job violates accounting/QOS policy"
# SLURM's name of the limit, before these words.
NAMED_LIMIT = re.compile(r"\w+Limit\b")


@dataclass(frozen=True)
class Ending:
    """Why a job has failed.

    Attributes:
        words: for a user, such as 'out of memory (it had 200M on node7)'.
        lacked: `MEMORY` or `TIME`, where more of it may help; else None.
    """

    words: str
    lacked: str | None = None


def accounts(named: str) -> list[str]:
    """The accounts of a setting, which may name several; SLURM is given the first."""
    return [name.strip() for name in named.split(",") if name.strip()]


def ask(*command: str) -> str | None:
    """What a program of SLURM prints, or None where it fails or there is none."""
    try:
        return subprocess.run(
            command, text=True, capture_output=True, timeout=SECONDS, check=True, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def ending(number: str, log: Path | None) -> Ending:
    """Why SLURM's job of this number has failed, as far as SLURM still knows.

    Args:
        number: SLURM's, with that of the task in an array.
        log: SLURM's own log of the job, if there is one.
    """
    return of_record(_record(number), _end_of(log))


def of_record(record: Mapping[str, str], log: str) -> Ending:
    """The same, of the fields of `scontrol show job` and the end of the SLURM log."""
    state = record.get("JobState", "").split(" ")[0]
    place = f" on {record['NodeList']}" if record.get("NodeList", "(null)") not in ("(null)", "") else ""
    if state == "OUT_OF_MEMORY" or (state in ("FAILED", "") and OVER_MEMORY.search(log)):
        given = re.search(r"\bmem=(\w+)", record.get("TRES", ""))
        return Ending(f"out of memory (it had {given[1] if given else 'its request'}{place})", MEMORY)
    if state == "TIMEOUT" or (state in ("FAILED", "") and "DUE TO TIME LIMIT" in log):
        return Ending(f"over its time limit of {record.get('TimeLimit', 'the rule')}{place}", TIME)
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        return Ending(f"its node has failed{place} ({state})")
    if state == "CANCELLED":
        return Ending(f"it was cancelled{place}")
    if state != "FAILED":
        return Ending(f"its state is {state}{place}" if state else "SLURM does not say why")
    return Ending(f"{_exit(record.get('ExitCode', ''))}{place}")


def _exit(code: str) -> str:
    """SLURM's `STATUS:SIGNAL` in words."""
    status, _, number = code.partition(":")
    killed = int(number) if number.isdigit() and number != "0" else 0
    if status.isdigit() and int(status) > 128:
        # How a shell reports it.
        killed = killed or int(status) - 128
    if killed:
        names = {int(one): one.name for one in signal.Signals}
        return f"killed by {names.get(killed, f'signal {killed}')}"
    return f"exit code {status}" if status.isdigit() else "no exit code"


def _record(number: str) -> dict[str, str]:
    shown = ask("scontrol", "show", "job", "--oneliner", number)
    if shown is not None and "JobState=" in shown:
        return dict(re.findall(r"(?:^| )([\w/]+)=(\S*)", shown.splitlines()[0]))
    columns = ("JobState", "ExitCode", "NodeList", "TimeLimit", "TRES")
    asked = "--format=State,ExitCode,NodeList,Timelimit,ReqTRES"
    shown = ask("sacct", "-X", "--noheader", "--parsable2", "-j", number, asked)
    lines = (shown or "").splitlines()
    return dict(zip(columns, lines[-1].split("|"), strict=False)) if lines else {}


def _end_of(log: Path | None) -> str:
    if log is None:
        return ""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LAST_BYTES))
            return stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def refusal(message: str) -> str:
    """What `sbatch` itself said, of the executor plugin's message about it: one line."""
    said = re.search(r"The error message was '(.*?)'\.?\n", message, re.DOTALL)
    lines = (said[1] if said else message).strip().splitlines()
    return "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ").strip() for line in lines)


def is_for_now(said: str, others: bool) -> bool:
    """Whether a job that `sbatch` refused with these words may be accepted later.

    Args:
        said: as `refusal` gives it; nothing where sbatch was interrupted.
        others: whether further jobs of the run are in SLURM's queue, whose end makes room under a limit.
    """
    unnamed = POLICY in said and NAMED_LIMIT.search(said) is None
    return not said or bool(FOR_NOW.search(said)) or (unnamed and others)
