"""Time and memory that jobs used, by rule: Snakemake's benchmarks, and the GPU memory that steps report."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

GPU_MEMORY = "peak GPU memory {} MB"
GPU_PATTERN = re.compile(GPU_MEMORY.format(r"(\d+)"))


def gpu_memory() -> str | None:
    """What to say of this process's GPU memory, or None where it used no GPU."""
    # Many a step does without torch, which is slow to import.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    most = max(torch.cuda.max_memory_reserved(device) for device in range(torch.cuda.device_count()))
    return GPU_MEMORY.format(most // 10**6)


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
        said = GPU_PATTERN.findall(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else []
        jobs[name.parts[0]].append((record, int(said[-1]) if said else None))
    lines = [_line(rule, mine) for rule, mine in jobs.items()]
    return sorted(lines, key=lambda line: -float(line["total_s"] or 0))


def _line(rule: str, jobs: list[tuple[dict, int | None]]) -> dict[str, float | str | None]:
    seconds = [float(record["s"]) for record, _ in jobs]
    # A job that ends before the first look has no memory.
    memory = [
        float(record["max_rss"]) for record, _ in jobs if isinstance(record.get("max_rss"), (int, float))
    ]
    gpu = [used for _, used in jobs if used is not None]
    return {
        "rule": rule,
        "jobs": len(jobs),
        "median_s": round(median(seconds), 1),
        "longest_s": round(max(seconds), 1),
        "total_s": round(sum(seconds), 1),
        "peak_mb": round(max(memory)) if memory else None,
        "peak_gpu_mb": max(gpu) if gpu else None,
    }
