"""What work takes on this device: seconds, the share of its peak, memory; each line is printed at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from mda.bench.shapes import Setting
from mda.bench.timing import Spread

# What an accelerator's dense bf16 products reach at most, in TFLOP/s (NVIDIA's data sheets).
PEAKS = {"H100": 989, "H200": 989, "A100": 312}


def say(*words: object) -> None:
    """A line, at once."""
    print("|", " | ".join(map(str, words)), "|", flush=True)


def peak() -> float | None:
    """Of this device, in operations a second."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((value * 1e12 for known, value in PEAKS.items() if known in name), None)


def rate(setting: Setting, took: Spread, operations: float) -> list[str]:
    """Tokens a second; operations a second and their share of the peak."""
    done, most = setting.tokens * operations / took.median, peak()
    share = "" if most is None else f" ({done / most:.1%})"
    return [took.each(lambda seconds: setting.tokens / seconds).text(0), f"{done / 1e12:.3g}{share}"]


@contextmanager
def memory() -> Iterator[Callable[[], str]]:
    """Within, the peak of what torch allocates besides what it had; a text, for the time being within."""
    if not torch.cuda.is_available():
        yield lambda: "-"
        return
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    yield lambda: f"{(torch.cuda.max_memory_allocated() - before) / 2**30:.2f}"


def once(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    return repeated(work, 1).median


def repeated(work: Callable[[], object], repetitions: int) -> Spread:
    """Seconds of each call."""
    values = []
    for _ in range(repetitions):
        settle()
        began = time.perf_counter()
        work()
        settle()
        values.append(time.perf_counter() - began)
    return Spread(tuple(values))


def settle() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Within, what fails is told, and the rest goes on."""
    try:
        yield
    except Exception as error:
        lines = str(error).splitlines() or [""]
        say(f"{what}: not measured: {type(error).__name__}: {lines[0][:300]}")
        logging.getLogger().debug("", exc_info=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
