"""Which of Snakemake's messages a user sees, and in which words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mda.runtime.errors import printable

# Messages of every run, which say nothing of this one. All others are shown, known or not.
ROUTINE = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Cleaning up SLURM log files",
    "Complete log(s):",
    "Conda environments: ignored",
    "Config file ",
    "Elapsed time:",
    "Execute ",
    "Auto-selected partition",
    "Falling back to 'sacct'",
    "Exiting because a job execution failed",
    "Finished jobid:",
    "Group jobs: inactive",
    "Multiple includes of ",
    "Processed ",
    "Removing temporary output",
    "Select jobs to execute",
    "Singularity containers: ignored",
    "SLURM run ID:",
    "Trying to restart job",
    "Using shell:",
    "Will exit after finishing currently running jobs",
    "WorkflowError:\nAt least one job did not complete successfully",
    "At least one job did not complete successfully",
)
# A step's own sentence in its log.
SENTENCE = "error in step "
LAST_LINES = 12
# How the executor begins to say why SLURM ended a job.
SLURM = ": SLURM job "


def shown(message: str | None) -> str | None:
    """A message without an event as a user sees it, or None for one that is routine."""
    text = printable((message or "").strip())
    if not text or text.startswith(ROUTINE):
        return None
    # What the rules raise, between where they do: that is of no use to a user.
    sentence = re.match(
        r'WorkflowError(?: in file "[^\n]*", line \d+)?:\n(.+?)(\n *File ".*)?$', text, re.DOTALL
    )
    return f"error: {sentence[1]}" if sentence else text


def job_name(rule: str, wildcards: Mapping[str, Any]) -> str:
    """A job in words: 'retrain replace/random/top-10 seed 1'."""
    parts = [rule]
    for name, value in wildcards.items():
        if not str(value):
            continue
        parts.append(f"{name} {value}" if str(value).replace(".", "").isdigit() else str(value))
    return printable(" ".join(parts))


def failure(name: str, logs: Sequence[str], told: str | None) -> str:
    """Why a job failed, in one sentence with the place of its log.

    Args:
        name: of the job.
        logs: its log files; the step's own first, then SLURM's.
        told: Snakemake's own message, or why SLURM ended the job.
    """
    # A job that ends before its step begins leaves the second alone, which is SLURM's.
    log, lines = next(((log, found) for log in logs if (found := _lines(Path(log)))), (None, []))
    place = f"; log: {log or logs[0]}" if logs else ""
    first = (told or "").strip().splitlines()
    said = f": {first[0]}" if first and first[0] != "None" else ""
    sentences = [line for line in lines if line.startswith(SENTENCE)]
    if sentences:
        ended = f" ({first[0]})" if said.startswith(SLURM) else ""
        return printable(f"error: {name} failed: {sentences[-1]}{ended}{place}")
    if lines and lines[-1] == "KeyboardInterrupt":
        return printable(f"{name} was interrupted (Ctrl-C){place}")
    # A step that was killed, or a fault of ours, says no sentence: the end of the log is what there is.
    # But where SLURM says what happened, its log has nothing to add.
    if logs and log != logs[0] and said.startswith(SLURM) and "exit code" not in said:
        lines = []
    tail = "".join(f"\n    {line}" for line in lines[-LAST_LINES:])
    return printable(f"error: {name} failed{said}{place}{tail}")


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]
