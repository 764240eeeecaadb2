"""Peak memory of training and of scoring, each in a process of its own, and by the number of samples.

    python -m bench.peaks training|scoring FOLDER SHAPE CONTEXT ROWS PRECISION
    python -m bench.peaks shard FOLDER SAMPLES

prints the peak of the work in bytes: of a GPU what torch allocated, of a CPU resident memory, which has the
libraries and the model.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from bench.passes import Scored
from bench.shapes import Setting, trainer
from bench.timing import Spread, table
from mda import files, schedule, sections, training
from mda.steps import scores

GIB = 2**30
# Of the small model whose samples become more and more: context, and samples a shard.
CONTEXT, SHARD = 32, 5000


def forget() -> None:
    """Count the peak from here on."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        # As proc(5) says.
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The peak in bytes."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def measured(*arguments: str) -> float:
    """GiB at the peak of another process."""
    command = [sys.executable, "-m", "bench.peaks", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-1]) / GIB


def at_equal_batch(settings: Sequence[Setting], folder: Path, repetitions: int) -> str:
    """Peaks of an update of training and of scoring all heads of a layer, of the same rows."""
    lines = []
    for setting in settings:
        own = [setting.shape, str(setting.context), str(setting.rows), setting.precision]
        found = {
            what: Spread(tuple(measured(what, str(folder), *own) for _ in range(repetitions)))
            for what in ("training", "scoring")
        }
        ratio = found["scoring"].over(found["training"])
        lines.append([*own, *(spread.text() for spread in (*found.values(), ratio))])
    return table(["shape", "context", "rows", "passes", "training, GiB", "scoring, GiB", "ratio"], lines)


def by_samples(folder: Path, numbers: Sequence[int], repetitions: int) -> str:
    """Peaks of scoring one shard of more and more samples."""
    lines = []
    for number in numbers:
        found = Spread(tuple(measured("shard", str(folder), str(number)) for _ in range(repetitions)))
        lines.append([f"{number:,}", found.text(3)])
    return table(["samples of the run", f"scoring {SHARD:,} of them, GiB"], lines)


def _train(folder: Path, setting: Setting) -> Callable[[], object]:
    store, model = setting.store(folder), setting.model().train()
    own = trainer(setting, store)
    optimizer = training.make_optimizer(model, own.settings)
    return lambda: own.update(model, optimizer, 0)


def _score(folder: Path, setting: Setting) -> Callable[[], object]:
    scored = Scored(setting, setting.store(folder), setting.heads(1))
    return scored.score


def _shard(folder: Path, number: int) -> Callable[[], object]:
    """The last shard of so many samples, by the step that the workflow runs, with a small model."""
    place = folder / f"{number}-samples"
    names = ("checkpoint", "tokenizer.json", "train.npy", "order.parquet", "targets.json", "shard.parquet")
    checkpoint, tokenizer, train, stream, targets, out = (place / name for name in names)
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256}
    settings = GPTNeoXConfig(vocab_size=64, max_position_embeddings=CONTEXT, **size)
    GPTNeoXForCausalLM(settings).save_pretrained(checkpoint)
    Tokenizer(WordLevel({f"w{token}": token for token in range(64)}, "w0")).save(str(tokenizer))
    rows = np.random.default_rng(0).integers(2, 64, (number, CONTEXT + 1), np.uint16)
    files.write_array(train, rows)
    schedule.base(number, number // SHARD, SHARD, 0).write(stream)
    files.write_json(targets, {"targets": {"head": {"units": ["L1H0"]}}})
    del rows
    target = sections.Target(
        name="head", units=["L1H0"], probe="induction", mode="qkvo", metric="prefix_matching"
    )
    probe = sections.Probe(measure="induction", tokens="repeated", length=16, sequences=64, seed=0)
    return lambda: scores.score(
        checkpoint, tokenizer, train, stream, targets, [],
        fit=sections.Fit(strategy="identity", samples=1, samples_per_part=1, seed=0, batch_size=128),
        damping=0.1,
        numerics=sections.Numerics(attention="eager", training="fp32", attribution="fp32"),
        steps=(0, number // SHARD),
        samples=SHARD,
        target_settings=[target],
        probe_settings={"induction": probe},
        probe_files=[],
        shard=number // SHARD - 1,
        out=out,
    )  # fmt: skip


def main(arguments: list[str]) -> None:
    """Prepare the work, do it, and print its peak."""
    what, folder, *given = arguments
    if what == "shard":
        work = _shard(Path(folder), int(given[0]))
    else:
        shape, context, rows, precision = given
        setting = Setting(shape, int(context), int(rows), "bf16" if precision == "bf16" else "fp32")
        work = (_train if what == "training" else _score)(Path(folder), setting)
    forget()
    work()
    print(peak())


if __name__ == "__main__":
    main(sys.argv[1:])
