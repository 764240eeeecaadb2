"""The sections that `mda bench` measures, each a table in Markdown.

All of a table is of one run: works take turns, and ratios are of the same turn.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from scipy.stats import spearmanr

from mda.bench import device, gpu, passes, peaks, retraining, scale, startup, storing, tables
from mda.bench.shapes import PRECISIONS, Setting
from mda.config.merged import configuration
from mda.runtime.machine import cpu

ROOT = Path(__file__).parents[3]
# What an accelerator's dense bf16 products reach at most, in TFLOP/s (NVIDIA's data sheets).
PEAKS = {"H100": 989, "H200": 989, "A100": 312}
# Operations a second of scoring all heads of a layer on an H200 in bf16, by shape (benchmarks.md).
H200 = {"14m": 109e12, "160m": 309e12}


@dataclass(frozen=True)
class Given:
    """What was asked for."""

    shapes: list[str]
    context: int
    rows: int
    repetitions: int
    folder: Path
    samples: list[int]

    def setting(self, shape: str, rows: int | None = None) -> Setting:
        """In fp32."""
        return Setting(shape, self.context, rows or self.rows)


def throughput(given: Given) -> str:
    """Training against scoring, by shape and precision."""
    parts = []
    for shape in given.shapes:
        for precision in PRECISIONS if torch.cuda.is_available() else PRECISIONS[:1]:
            setting = Setting(shape, given.context, given.rows, precision)
            parts.append(passes.throughput(setting, setting.store(given.folder), given.repetitions))
    return "\n".join(parts)


def one_at_a_time(given: Given) -> str:
    """Against one head and one sample at a time."""
    # Ranks need some rows.
    setting = given.setting(given.shapes[0], max(32, given.rows))
    return passes.against_one_at_a_time(setting, setting.store(given.folder), 8, given.repetitions)


def stored(given: Given) -> str:
    """Storing gradients against scoring, of the first shape."""
    setting = given.setting(given.shapes[0])
    return storing.against_a_pass(setting, setting.store(given.folder), given.repetitions)


def memory(given: Given) -> str:
    """Peaks at the same batch: the largest that training takes at once."""
    settings = [peaks.at_once(given.setting(shape)) for shape in given.shapes]
    return peaks.at_equal_batch(settings, given.folder, given.repetitions)


def samples(given: Given) -> str:
    """Peaks by the number of samples."""
    return peaks.by_samples(given.folder, [10**4, 10**5, 10**6], given.repetitions)


def all_scores(given: Given) -> str:
    """Steps that read all scores, by the number of samples."""
    return tables.by_samples(given.folder, given.samples)


def start(given: Given) -> str:
    """Before the work."""
    parts = [startup.steps(given.repetitions), startup.nothing_to_do(ROOT, given.repetitions)]
    return "\n".join(parts)


def training(given: Given) -> str:
    """Against a bare loop; on one thread, as the local profile gives a job."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return retraining.measure(configuration([]), given.folder, given.repetitions)
    finally:
        torch.set_num_threads(threads)


def precisions(given: Given) -> str:
    """bf16 against fp32, and the share of the device's peak."""
    lines = []
    for shape in given.shapes:
        scores = {}
        for precision in PRECISIONS:
            setting = Setting(shape, given.context, given.rows, precision)
            store = setting.store(given.folder)
            line, scores[precision] = passes.rates(setting, store, given.repetitions, _peak())
            lines.append(line)
        agreement = min(
            spearmanr(scores["fp32"][head], scores["bf16"][head]).statistic for head in scores["fp32"]
        )
        lines[-1].append(f"{agreement:.4f}" if given.rows >= 32 else "too few rows")
        lines[-2].append("")
    return passes.rates_table(lines)


def on_paper(given: Given) -> str:
    """At scale, by the rates of an H200 and by those here, as it would be run."""
    cuda = torch.cuda.is_available()
    settings = [Setting(shape, given.context, given.rows, PRECISIONS[cuda]) for shape in given.shapes]
    rates = {
        setting.shape: passes.achieved(setting, setting.store(given.folder), given.repetitions)
        for setting in settings
    }
    here = scale.Machine(
        f"Machines like this one ({hardware()}) in {settings[0].precision}, as measured now",
        rates=rates,
        device=torch.cuda.mem_get_info()[1] if cuda else psutil.virtual_memory().total,
        disk=shutil.disk_usage(given.folder).total,
        at_once=1,
        width=2 if cuda else 4,
    )
    gpus = scale.Machine(
        "H200s in bf16, as measured on one",
        rates=H200,
        device=140 * scale.GIB,
        disk=10 * scale.TIB,
        at_once=16,
        width=2,
    )
    return scale.on_paper(gpus) + "\n" + scale.on_paper(here)


def on_a_gpu(given: Given) -> str:
    """Training, scoring and memory of one GPU, each part in its own time; ten minutes at most."""
    if not torch.cuda.is_available():
        return "Not measured: this machine has no GPU.\n"
    given.folder.mkdir(parents=True, exist_ok=True)
    return "\n".join(gpu.part(name, given.folder) for name in gpu.LIMITS)


def _peak() -> float | None:
    if not torch.cuda.is_available():
        return None
    return next((peak for name, peak in device.PEAKS.items() if name in torch.cuda.get_device_name()), None)


SECTIONS: dict[str, tuple[str, Callable[[Given], str]]] = {
    "throughput": ("Scoring against training", throughput),
    "one-at-a-time": ("Against one head and one sample at a time", one_at_a_time),
    "stored": ("Storing gradients against scoring", stored),
    "memory": ("Memory at the same batch", memory),
    "samples": ("Memory by the number of samples", samples),
    "tables": ("Tables of scores by the number of samples", all_scores),
    "start": ("Start-up", start),
    "training": ("Retraining against a bare loop", training),
    "precisions": ("fp32 and bf16", precisions),
    "scale": ("On paper", on_paper),
    "gpu": ("On a GPU", on_a_gpu),
}


def hardware() -> str:
    """The machine, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} ({torch.cuda.mem_get_info()[1] / 2**30:.0f} GiB)"
    return f"{cpu()} CPU, {os.cpu_count()} cores"


def machine() -> str:
    """The machine and torch, in one line."""
    return f"{hardware()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
