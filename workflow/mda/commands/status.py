"""Say what the last run in this folder has done, is doing and has left.

It reads Snakemake's own log of that run. So it takes a second, and it does not disturb the run. Where
there is SLURM, it also lists the queued jobs of this folder.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLES = """\
example:
  mda status
"""

LOGS = Path(".snakemake/log")
STATS = re.compile(r"^(\w+) +(\d+)$")
STARTED = re.compile(r"^(?:local)?rule (\w+):$")
JOB = re.compile(r"^    jobid: (\d+)$")
FINISHED = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)$")
FAILED = re.compile(r"^Error in rule (\w+):$")


@dataclass
class Run:
    """What a log of Snakemake tells.

    Attributes:
        planned, done, failed: number of jobs by rule.
        going: the rule of each started job that has not ended, by Snakemake's number.
        ended: whether Snakemake has ended by itself.
    """

    planned: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    going: dict[str, str] = field(default_factory=dict)
    ended: bool = False


def read(text: str) -> Run:
    """Read Snakemake's log."""
    run, rule, failing = Run(), "", False
    in_stats = False
    for line in text.splitlines():
        if line.startswith("Job stats:"):
            in_stats = not run.planned
        elif in_stats and (found := STATS.match(line)):
            run.planned[found[1]] += int(found[2])
            in_stats = found[1] != "total"
        elif found := STARTED.match(line):
            rule, failing = found[1], False
        elif found := FAILED.match(line):
            rule, failing = found[1], True
            run.failed[rule] += 1
        elif found := JOB.match(line):
            if failing:
                run.going.pop(found[1], None)
            else:
                run.going[found[1]] = rule
        elif found := FINISHED.match(line):
            run.going.pop(found[1], None)
            run.done[found[2]] += 1
        run.ended = run.ended or line.startswith("Complete log(s):")
    run.planned.pop("total", None)
    return run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def main(given: argparse.Namespace) -> int:
    """Print the state; returns the exit status."""
    logs = sorted(LOGS.glob("*.snakemake.log"), key=lambda path: path.stat().st_mtime)
    runs = [(path, read(path.read_text(encoding="utf-8", errors="replace"))) for path in logs[-5:]]
    runs = [(path, run) for path, run in runs if run.planned]
    if not runs:
        print("nothing has run in this folder yet" if not logs else "the last runs had nothing to do")
        return 0
    path, run = runs[-1]
    quiet = time.time() - path.stat().st_mtime
    state = "has ended" if run.ended else "goes on, or was killed"
    print(f"last run: {path.stem.removesuffix('.snakemake')}; it {state}; last news {quiet:.0f} s ago")
    print(f"{'rule':24}{'done':>8}{'started':>8}{'failed':>8}{'left':>8}")
    going = Counter(run.going.values()) if not run.ended else Counter()
    for rule, count in run.planned.items():
        left = count - run.done[rule] - going[rule]
        print(f"{rule:24}{run.done[rule]:8}{going[rule]:8}{run.failed[rule]:8}{left:8}")
    total = sum(run.planned.values())
    print(f"{sum(run.done.values())} of {total} jobs are done")
    queue()
    return 0


def queue() -> None:
    """Print SLURM's view of the jobs of this folder, where there is SLURM."""
    form = "%i|%T|%M|%l|%k|%Z"
    command = ["squeue", "--noheader", "--array", "--me", "--format", form]
    try:
        listed = subprocess.run(command, text=True, capture_output=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return
    rows = [line.split("|") for line in listed.splitlines()]
    mine = [row for row in rows if row[5] == str(Path.cwd())]
    print(f"SLURM: {len(mine)} jobs of this folder")
    for number, state, used, limit, comment, _ in mine[:20]:
        print(f"  {number:12}{state:12}{used:>12} of {limit:12}{comment.removeprefix('rule_')}")
