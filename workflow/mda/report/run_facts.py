"""When, where and with what the results of a report were made."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mda.runtime import files, job_files, machine

# Of the packages that every result names, those that a reader wants to see first.
PACKAGES = ("torch", "transformers", "kronfluence")


def facts(benchmarks: Path, logs: Path) -> dict[str, str]:
    """Date, computing time, machine and versions, in a few words each.

    Args:
        benchmarks: folder of Snakemake's benchmarks. Their dates are those of the files.
        logs: folder of the jobs' logs.
    """
    record = json.loads(files.made_by() or "{}")
    packages: Mapping[str, str] = record.get("packages", {})
    versions = [f"mda {record['mda']}"] if "mda" in record else []
    versions += [f"{name} {packages[name]}" for name in PACKAGES if name in packages]
    versions.append(f"Python {platform.python_version()}")
    where = f"{machine.cpu()}, {_count(os.cpu_count() or 1, 'core')}, {machine.memory() / 1000:.0f} GB"
    told = {"This page": f"made {_date(datetime.now(UTC))} UTC on {where}; {', '.join(versions)}"}
    jobs = job_files.jobs(benchmarks, logs)
    return {"Run": f"{_dates(jobs)}: {_computing(job_files.by_rule(jobs), logs)}", **told} if jobs else told


def _date(when: datetime) -> str:
    return f"{when.day} {when:%B %Y, %H:%M}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _dates(jobs: Sequence[job_files.Job]) -> str:
    begin = datetime.fromtimestamp(min(job.ended - job.seconds for job in jobs), UTC)
    end = datetime.fromtimestamp(max(job.ended for job in jobs), UTC)
    last = f"{end:%H:%M}" if begin.date() == end.date() else _date(end)
    return f"{_date(begin)} to {last} UTC, by the dates of its files"


def _computing(rules: list[dict[str, float | str | None]], logs: Path) -> str:
    def values(name: str) -> list[float]:
        return [float(line[name]) for line in rules if line[name] is not None]  # type: ignore[arg-type]

    said = (
        f"{_count(int(sum(values('jobs'))), 'job')}, {_duration(sum(values('total_s')))} of computing added "
        "up over jobs"
    )
    # Jobs run side by side, so what all had at once is not known.
    if memory := values("peak_mb"):
        said += f", {max(memory) / 1000:.1f} GB of memory of one job at most"
    if gpu := values("peak_gpu_mb"):
        said += f", {max(gpu) / 1000:.1f} GB of GPU memory of one job at most"
        said += f" ({', '.join(names)})" if (names := job_files.gpu_names(logs)) else ""
    return said


def _duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    if seconds < 90:
        return _count(round(seconds), "second")
    if seconds < 5400:
        return _count(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"
