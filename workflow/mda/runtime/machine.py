"""Cores, memory and GPUs that a run may use, within the limits of a container or an allocation."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

# No limit in version 1 of control groups is a number near 2^63.
UNLIMITED = 2**60


def cpu() -> str:
    """The model of the processor, in words."""
    lines = (_read(Path("/proc/cpuinfo")) or "").splitlines()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may run on, by its affinity, its control groups and SLURM; at least 1."""
    limits = [float(len(os.sched_getaffinity(0)))]
    for folder, files in _groups("cpu"):
        if files == 2:
            quota, _, period = (_read(folder / "cpu.max") or "max").partition(" ")
        else:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us") or "max" for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit():
            limits.append(int(quota) / int(period))
    limits += _slurm("SLURM_CPUS_ON_NODE")
    return max(1, int(min(limits)))


def memory() -> int:
    """Memory that the processes of this run may use together, in MB."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 10**6]
    for folder, files in _groups("memory"):
        text = _read(folder / ("memory.max" if files == 2 else "memory.limit_in_bytes")) or "max"
        if text.isdigit() and int(text) < UNLIMITED:
            limits.append(int(text) / 10**6)
    # SLURM counts in MiB; 0 is all of the node.
    each = _slurm("SLURM_MEM_PER_CPU")
    allocated = _slurm("SLURM_MEM_PER_NODE") + [mib * cores() for mib in each]
    limits += [1.048576 * mib for mib in allocated if mib > 0]
    return int(min(limits))


def _slurm(name: str) -> list[float]:
    """A number that SLURM tells those inside an allocation."""
    text = os.environ.get(name, "")
    return [float(text)] if text.isdigit() and "SLURM_JOB_ID" in os.environ else []


def _groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[Path, int]]:
    """Folders of this process's control groups and those above, with the version of their files."""
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            mount, version = root / "sys/fs/cgroup", 2
        elif controller in controllers.split(","):
            mount, version = root / "sys/fs/cgroup" / controller, 1
        else:
            continue
        # Inside a container the path may be the host's, while the mount shows the container's own group.
        folder = mount / place.lstrip("/")
        yield from ((part, version) for part in (folder, *folder.parents) if part.is_relative_to(mount))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
