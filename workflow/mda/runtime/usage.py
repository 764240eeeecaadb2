"""The memory that a step has used, as it says at its end."""

from __future__ import annotations

import resource
import sys

# Snakemake looks at a job's memory now and then, and does not see a process that was forked from a warm one.
MEMORY = "peak memory {} MB"
GPU_MEMORY = "peak GPU memory {} MB"


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
