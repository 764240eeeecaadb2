"""Time and memory that jobs used, by rule: Snakemake's benchmarks, and the memory that steps report."""

from __future__ import annotations

import json
import re
import resource
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

# Snakemake looks at a job's memory now and then, and does not see a process that was forked from a warm one.
MEMORY = "peak memory {} MB"
GPU_MEMORY = "peak GPU memory {} MB"
GPU_NAMES = re.compile(GPU_MEMORY.format(r"\d+") + r" \(([^()\n]+)\)")
PATTERNS = {said: re.compile(said.format(r"(\d+)")) for said in (MEMORY, GPU_MEMORY)}


def memory() -> str:
    """What to say of the memory of this process, or of the largest that it has waited for."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    # Linux counts in KiB.
    most = max(resource.getrusage(of).ru_maxrss for of in who) * 1024
    return MEMORY.format(most // 10**6)


def gpu_memory() -> str | None:
    """What to say of this process's GPU memory, or None where it used no GPU."""
    # Many a step does without torch, which is slow to import.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    most = max(torch.cuda.max_memory_reserved(device) for device in range(torch.cuda.device_count()))
    names = dict.fromkeys(map(torch.cuda.get_device_name, range(torch.cuda.device_count())))
    return f"{GPU_MEMORY.format(most // 10**6)} ({', '.join(names)})"


def gpu_names(logs: Path) -> list[str]:
    """The GPUs that jobs said they used, each model once."""
    found = (
        GPU_NAMES.findall(path.read_text(encoding="utf-8", errors="replace")) for path in logs.rglob("*.log")
    )
    return sorted({name for names in found for name in names})


class Job(NamedTuple):
    """What a job used: seconds, and MB of memory and of GPU memory, where they are known."""

    seconds: float
    memory: float | None
    gpu_memory: int | None


def by_rule(benchmarks: Path, logs: Path) -> list[dict[str, float | str | None]]:
    """A line for each rule, the longest in total first: jobs, their times in seconds, and peaks in MB.

    Args:
        benchmarks: folder of Snakemake's benchmarks, a file for each job, named by its rule.
        logs: folder of the jobs' logs, with the same names.
    """
    jobs = defaultdict(list)
    for path in sorted(benchmarks.rglob("*.jsonl")):
        name = path.relative_to(benchmarks).with_suffix("")
        record = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        log = logs / name.parent / f"{name.name}.log"
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        jobs[name.parts[0]].append(Job(float(record["s"]), _memory(record, text), _said(GPU_MEMORY, text)))
    lines = [_line(rule, mine) for rule, mine in jobs.items()]
    return sorted(lines, key=lambda line: -float(line["total_s"] or 0))


def _said(what: str, log: str) -> int | None:
    """The last that a job's log says of this."""
    found = PATTERNS[what].findall(log)
    return int(found[-1]) if found else None


def _memory(record: Mapping[str, object], log: str) -> float | None:
    # Snakemake adds up several processes; a job that ends before its first look has none.
    looked, said = record.get("max_rss"), _said(MEMORY, log)
    known = [float(one) for one in (looked, said) if isinstance(one, (int, float))]
    return max(known, default=None)


def _line(rule: str, jobs: list[Job]) -> dict[str, float | str | None]:
    seconds = [job.seconds for job in jobs]
    memory = [job.memory for job in jobs if job.memory is not None]
    gpu = [job.gpu_memory for job in jobs if job.gpu_memory is not None]
    return {
        "rule": rule,
        "jobs": len(jobs),
        "median_s": round(median(seconds), 1),
        "longest_s": round(max(seconds), 1),
        "total_s": round(sum(seconds), 1),
        "peak_mb": round(max(memory)) if memory else None,
        "peak_gpu_mb": max(gpu) if gpu else None,
    }
