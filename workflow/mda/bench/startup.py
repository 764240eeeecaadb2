"""What a step costs before its work, and what Snakemake costs when there is nothing to do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from mda.bench.timing import Spread, table
from mda.runtime import fingerprints

WORKFLOW = Path(__file__).parents[2]
NAMES_IT = "import sys, mda.steps.{}; print('torch' in sys.modules)"


def steps(repetitions: int) -> str:
    """Seconds until a step's program has loaded what it needs, in turns: with torch and without.

    What follows before the work, its arguments and the hashes of its inputs, takes as long as reading them.
    """
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    names = fingerprints.steps()
    times: dict[str, list[float]] = {step: [] for step in names}
    with_torch = set()
    for _ in range(repetitions):
        for step in names:
            began = time.perf_counter()
            command = [sys.executable, "-c", NAMES_IT.format(step)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            times[step].append(time.perf_counter() - began)
            if "True" in done.stdout:
                with_torch.add(step)
    lines = []
    for kind, members in (("with torch", with_torch), ("without", set(names) - with_torch)):
        slowest = max(members, key=lambda step: Spread(tuple(times[step])).median)
        every = Spread(tuple(value for step in members for value in times[step]))
        named = ", ".join(sorted(members)) if kind == "with torch" else "all others"
        lines.append(
            [
                kind,
                str(len(members)),
                every.text(),
                f"{slowest} {Spread(tuple(times[slowest])).text()}",
                named,
            ]
        )
    return table(["steps", "number", "start, s", "the slowest", "which"], lines)


def nothing_to_do(project: Path, repetitions: int) -> str:
    """Seconds of `snakemake` in a finished project; a sentence if the default is not finished."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local"]
    asked = subprocess.run([*command, "--dry-run"], cwd=project, capture_output=True, text=True, check=False)
    if "Nothing to be done" not in asked.stdout + asked.stderr:
        return "Not measured: `snakemake` with nothing to do; run `make demo` before.\n"
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        subprocess.run(command, cwd=project, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    jobs = sum(1 for _ in (project / "results" / "benchmarks").rglob("*.jsonl"))
    return table(["finished jobs", "`snakemake`, s"], [[str(jobs), Spread(tuple(times)).text()]])
