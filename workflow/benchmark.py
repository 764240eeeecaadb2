"""Measure training and scoring at Pythia's shapes on this machine: `make benchmark`.

Random weights and random tokens: speed and memory do not depend on them. Prints a table in Markdown
for benchmarks.md, with the hardware; medians and ranges over repetitions.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedModel

from mda import files, influence, parallel, probes, schedule, sections, sequences, training
from mda.tokens import TokenStore
from mda.units import Head

# Layers, d_model, heads (Biderman et al. 2023, arXiv 2304.01373, table 1; the model cards of 14M, 31M).
SHAPES = {"14m": (6, 128, 4), "31m": (6, 256, 8), "70m": (6, 512, 8), "160m": (12, 768, 12)}
VOCABULARY = 50304
# As in the overlays.
SCORED_AT_ONCE = 8
OPTIMIZER = sections.Optimizer(
    learning_rate=1e-3,
    schedule="neox",
    warmup_steps=1430,
    decay_steps=143_000,
    minimum_ratio=0.1,
    betas=(0.9, 0.95),
    epsilon=1e-8,
    weight_decay=0.1,
    clip=1.0,
)


@dataclass(frozen=True)
class Setting:
    """What is measured: a shape, and how it is computed."""

    shape: str
    context: int
    rows: int
    repetitions: int
    precision: sections.Precision

    @property
    def numerics(self) -> sections.Numerics:
        """The section of the configuration that says the same."""
        return sections.Numerics(attention="sdpa", training=self.precision, attribution=self.precision)


def make_model(setting: Setting) -> PreTrainedModel:
    """A model of a shape with random weights."""
    layers, width, heads = SHAPES[setting.shape]
    torch.manual_seed(0)
    settings = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=setting.context,
        rotary_pct=0.25,
    )
    model = AutoModelForCausalLM.from_config(settings, attn_implementation="sdpa")
    return model.to(parallel.device())


def make_store(folder: Path, setting: Setting) -> TokenStore:
    """Rows of random tokens, half of them repeating their first half."""
    tokens = np.random.default_rng(0).integers(2, 50_000, (setting.rows, setting.context + 1))
    half = setting.context // 2
    tokens[::2, half : 2 * half] = tokens[::2, :half]
    path = folder / f"{setting.rows}x{setting.context}.npy"
    files.write_array(path, tokens.astype(np.uint16))
    return TokenStore(path)


def seconds(work: Callable[[], object], repetitions: int) -> list[float]:
    """Times of repeated work after one that is not counted."""
    times = []
    for number in range(repetitions + 1):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number:
            times.append(time.perf_counter() - began)
    return times


def measure_training(setting: Setting, store: TokenStore) -> tuple[list[float], int]:
    """Tokens a second of optimizer updates of `setting.rows` rows; and rows at once."""
    model = make_model(setting).train()
    optimizer = training.make_optimizer(model, OPTIMIZER)
    stream = schedule.base(setting.rows, 1, setting.rows, None)
    cadence = training.Cadence(1, 0, float("inf"), Path())
    trainer = training.Trainer(stream, store, None, OPTIMIZER, setting.numerics, lambda model: {}, cadence)
    times = seconds(lambda: trainer.update(model, optimizer, 0), setting.repetitions)
    at_once = min(trainer.rows_at_once or setting.rows, setting.rows)
    return [setting.rows * setting.context / took for took in times], at_once


def measure_scoring(setting: Setting, store: TokenStore) -> tuple[list[float], np.ndarray]:
    """Tokens a second of scoring one head of the middle layer; and the scores."""
    layers = SHAPES[setting.shape][0]
    head = Head(layers // 2, 0)
    vocabulary = np.arange(2, 50_000)
    # One sequence: the probe is paid once a run, not a sample.
    drawn = sequences.repeated_tokens(vocabulary, 1, min(64, setting.context // 2), 0)
    tokens = torch.from_numpy(drawn).to(parallel.device())
    query = influence.Query("head", [head], probes.induction, tokens)
    tracker = influence.Tracker(make_model(setting), [head], 0, [query], precision=setting.precision)
    rows = influence.Rows(store, np.arange(setting.rows))
    factors = tracker.fit(rows, "ekfac", SCORED_AT_ONCE)
    found: list[np.ndarray] = []

    def score() -> None:
        for _, parts in tracker.score(rows, factors, "ekfac", 0.1, SCORED_AT_ONCE):
            found.append(np.sum([value for name, value in parts.items() if name != "loss"], axis=0))

    times = seconds(score, setting.repetitions)
    return [setting.rows * setting.context / took for took in times], found[-1]


def hardware() -> str:
    """The machine, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} ({torch.cuda.mem_get_info()[1] / 2**30:.0f} GiB)"
    return f"{platform.processor() or platform.machine()} CPU, {os.cpu_count()} cores"


def line(setting: Setting, store: TokenStore, scores: dict[str, np.ndarray]) -> str:
    """One line of the table."""
    cuda = torch.cuda.is_available()
    peaks = []
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    rates, at_once = measure_training(setting, store)
    peaks.append(torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan"))
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    scoring, scores[setting.precision] = measure_scoring(setting, store)
    peaks.append(torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan"))
    cells = [setting.shape, setting.precision, str(setting.context), f"{setting.rows} ({at_once})"]
    for found, peak in zip((rates, scoring), peaks, strict=True):
        cells.append(f"{statistics.median(found):,.0f} [{min(found):,.0f}, {max(found):,.0f}]")
        cells.append(f"{peak:.1f}" if cuda else "-")
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmark.py", description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["14m", "160m"])
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=64 if torch.cuda.is_available() else 2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("results/benchmark"))
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", category=FutureWarning, module="kronfluence")
    print(f"\n{hardware()}, torch {torch.__version__}\n")
    print(
        "| shape | passes | context | rows (at once) | training, tokens/s | GiB | scoring, tokens/s | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for shape in given.shapes:
        scores: dict[str, np.ndarray] = {}
        for precision in ("fp32", "bf16"):
            setting = Setting(shape, given.context, given.rows, given.repetitions, precision)
            print(line(setting, make_store(given.folder, setting), scores), flush=True)
        if given.rows >= 32:
            correlation = spearmanr(scores["fp32"], scores["bf16"]).statistic
            print(f"\n{shape}: rank correlation of bf16 and fp32 scores, random weights: {correlation:.4f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
