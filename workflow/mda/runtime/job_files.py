"""Time and memory that jobs used: by their benchmarks and logs, one of each for a job, or joined for a rule.

A plan of ten thousand jobs would leave twenty thousand of these small files, and the file systems of clusters
limit their number. There a job that has ended well leaves its log to `logs/joined/RULE.log`, and its
benchmark to `benchmarks/joined/RULE.jsonl`. Rules without wildcards keep theirs, and so does a failed job.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from mda.runtime import locks, usage

JOINED = "joined"
# Before each log, as `tail` names files.
HEADER = "==> {} <==\n"
PATTERNS = {
    "memory": re.compile(usage.MEMORY.format(r"(\d+)")),
    "gpu_memory": re.compile(usage.GPU_MEMORY.format(r"(\d+)")),
}
GPU_NAMES = re.compile(usage.GPU_MEMORY.format(r"\d+") + r" \(([^()\n]+)\)")


class Job(NamedTuple):
    """What a job used.

    Attributes:
        rule: its name.
        ended: when it ended, in seconds since 1970.
        seconds: from start to end.
        memory: MB at the most, where it is known.
        gpu_memory: the same of its GPUs.
    """

    rule: str
    ended: float
    seconds: float
    memory: float | None
    gpu_memory: int | None


def join(results: Path, log: Path) -> None:
    """Move the log of a job that has ended well, and the benchmark of the same name, to those of its rule.

    Args:
        results: the folder of `logs` and `benchmarks`.
        log: as the rule names it, `results/logs/RULE/JOB.log`. One that is elsewhere stays.

    Raises:
        OSError: when a file cannot be read or written; then both stay.
        ValueError: when the benchmark is none; then both stay.
    """
    logs, benchmarks = results / "logs", results / "benchmarks"
    if not log.is_relative_to(logs) or len(log.relative_to(logs).parts) == 1:
        return
    name = log.relative_to(logs)
    rule, text = name.parts[0], log.read_bytes()
    benchmark = (benchmarks / name).with_suffix(".jsonl")
    if benchmark.is_file():
        record = {"job": str(name.with_suffix("")), **_record(benchmark, log)}
        _append(benchmarks / JOINED / f"{rule}.jsonl", f"{json.dumps(record)}\n".encode())
    end = b"" if text.endswith(b"\n") or not text else b"\n"
    _append(logs / JOINED / f"{rule}.log", HEADER.format(name).encode() + text + end)
    benchmark.unlink(missing_ok=True)
    log.unlink()


def said(log: str) -> dict[str, int]:
    """The last that a job's log says of its `memory` and `gpu_memory`, in MB."""
    found = {name: pattern.findall(log) for name, pattern in PATTERNS.items()}
    return {name: int(numbers[-1]) for name, numbers in found.items() if numbers}


def jobs(benchmarks: Path, logs: Path) -> list[Job]:
    """What each job used that has left a benchmark, the last time that it ran.

    Args:
        benchmarks: folder of Snakemake's benchmarks, named by rules.
        logs: folder of the jobs' logs, with the same names.
    """
    found: dict[str, Job] = {}
    joined: dict[str, Job] = {}
    for path in sorted(benchmarks.rglob("*.jsonl")):
        name = path.relative_to(benchmarks).with_suffix("")
        if name.parts[0] == JOINED:
            continue
        # One that is joined at this moment is found below; of one that a kill has cut short nothing is known.
        with contextlib.suppress(OSError, ValueError, KeyError):
            found[str(name)] = _job(name.parts[0], _record(path, logs / name.parent / f"{name.name}.log"))
    for path in sorted((benchmarks / JOINED).glob("*.jsonl")):
        joined |= {record["job"]: _job(path.stem, record) for record in _joined(path)}
    return list((joined | found).values())


def seconds(rule: str, benchmarks: Path, most: int) -> list[float]:
    """How long jobs of a rule took, as far as they have left benchmarks: `most` of each kind of file."""
    files = [benchmarks / f"{rule}.jsonl", *sorted((benchmarks / rule).rglob("*.jsonl"))]
    # Of a job that has run again the last counts.
    joined = {record["job"]: record for record in _joined(benchmarks / JOINED / f"{rule}.jsonl")}
    records = [*joined.values()][-most:]
    for path in [path for path in files if path.is_file()][:most]:
        # Cut short by a kill, or of another version: it only weighs nothing.
        with contextlib.suppress(ValueError, KeyError, OSError):
            records.append({"s": _last(path)["s"]})
    return [float(record["s"]) for record in records]


def by_rule(jobs: Iterable[Job]) -> list[dict[str, float | str | None]]:
    """A line for each rule, the longest in total first: jobs, their times in seconds, and peaks in MB."""
    found = defaultdict(list)
    for job in jobs:
        found[job.rule].append(job)
    lines = [_line(rule, mine) for rule, mine in found.items()]
    return sorted(lines, key=lambda line: -float(line["total_s"] or 0))


def gpu_names(logs: Path) -> list[str]:
    """The GPUs that jobs said they used, each model once."""
    found: set[str] = set()
    for path in logs.rglob("*.log"):
        # Line by line, for that of all jobs of a rule may be long. One may be joined at this moment.
        with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as stream:
            found.update(name for line in stream for name in GPU_NAMES.findall(line))
    return sorted(found)


def _last(benchmark: Path) -> dict[str, Any]:
    """What Snakemake has measured."""
    lines = benchmark.read_text(encoding="utf-8").splitlines() or [""]
    measured: dict[str, Any] = json.loads(lines[-1])
    return measured


def _record(benchmark: Path, log: Path) -> dict[str, Any]:
    """The same, with when it ended and what the job itself said."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return {**_last(benchmark), "ended": benchmark.stat().st_mtime, "log": said(text)}


def _joined(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            try:
                record = json.loads(line)
            except ValueError:
                # Half written, now or by a run that was killed.
                continue
            yield record


def _job(rule: str, record: Mapping[str, Any]) -> Job:
    told = record["log"]
    # Snakemake adds up several processes; a job that ends before its first look has none.
    known = [
        float(one) for one in (record.get("max_rss"), told.get("memory")) if isinstance(one, (int, float))
    ]
    return Job(rule, record["ended"], float(record["s"]), max(known, default=None), told.get("gpu_memory"))


def _line(rule: str, jobs: list[Job]) -> dict[str, float | str | None]:
    times = [job.seconds for job in jobs]
    memory = [job.memory for job in jobs if job.memory is not None]
    gpu = [job.gpu_memory for job in jobs if job.gpu_memory is not None]
    return {
        "rule": rule,
        "jobs": len(jobs),
        "median_s": round(median(times), 1),
        "longest_s": round(max(times), 1),
        "total_s": round(sum(times), 1),
        "peak_mb": round(max(memory)) if memory else None,
        "peak_gpu_mb": max(gpu) if gpu else None,
    }


def _append(path: Path, text: bytes) -> None:
    """Add to a file, or leave it as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another run may join others of the same rule.
    with path.open("a+b", buffering=0) as stream, locks.take(path, wait=True).stream:
        before = stream.seek(0, os.SEEK_END)
        if before:
            # What a kill has cut short would swallow the line after it.
            stream.seek(-1, os.SEEK_END)
            text = text if stream.read(1) == b"\n" else b"\n" + text
        try:
            written = stream.write(text)
            if written != len(text):
                raise OSError(f"{path}: only {written} of {len(text)} bytes could be written")
        except OSError:
            os.ftruncate(stream.fileno(), before)
            raise
