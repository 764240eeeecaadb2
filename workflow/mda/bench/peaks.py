"""Peak memory of training and of scoring, each in a process of its own, and by the number of samples.

    python -m mda.bench.peaks training|scoring FOLDER SHAPE CONTEXT ROWS PRECISION
    python -m mda.bench.peaks prepare|shard|merge FOLDER SAMPLES

prints the peak of the work in bytes. Of training and scoring on a GPU it is what torch allocated; else it is
resident memory, which has the libraries, the model, and pages of the token store that the system may drop.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from mda.bench.passes import Scored
from mda.bench.shapes import Setting, trainer
from mda.bench.timing import Spread, table
from mda.config import sections, unit_sections
from mda.models import memory
from mda.runtime import files, parquet
from mda.runtime.errors import UserError
from mda.steps.attribution import merge_scores, scores
from mda.training import adamw, schedule

GIB = 2**30
# Of the small model whose samples become more and more: context, and samples a shard.
CONTEXT, SHARD = 32, 5000


def forget() -> None:
    """Count the peak from here on."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        # As proc(5) says.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        raise UserError("peaks of memory can be read on Linux only (/proc/self/clear_refs)") from None


def resident() -> int:
    """The peak of resident memory in bytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def measured(*arguments: str) -> float:
    """GiB at the peak of another process."""
    command = [sys.executable, "-m", "mda.bench.peaks", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-1]) / GIB


def at_once(setting: Setting) -> Setting:
    """With as many rows, of those asked for, as training takes at once; scoring could take more."""
    return dataclasses.replace(
        setting, rows=min(setting.rows, memory.rows_at_once(setting.model(), setting.context))
    )


def at_equal_batch(settings: Sequence[Setting], folder: Path, repetitions: int) -> str:
    """Peaks of an update of training and of scoring all heads of a layer, of the same rows at once."""
    lines = []
    for setting in settings:
        own = [setting.shape, str(setting.context), str(setting.rows), setting.precision]
        found = {
            what: Spread(tuple(measured(what, str(folder), *own) for _ in range(repetitions)))
            for what in ("training", "scoring")
        }
        ratio = found["scoring"].over(found["training"])
        lines.append([*own, *(spread.text() for spread in (*found.values(), ratio))])
    head = ["shape", "context", "rows at once", "passes", "training, GiB", "scoring, GiB", "ratio"]
    return table(head, lines)


def by_samples(folder: Path, numbers: Sequence[int], repetitions: int) -> str:
    """Peaks of scoring one shard of more and more samples, and of merging all shards, for one target."""
    lines = []
    for number in numbers:
        place = folder / f"{number}-samples"
        try:
            measured("prepare", str(place), str(number))
            found = {
                what: Spread(tuple(measured(what, str(place), str(number)) for _ in range(repetitions)))
                for what in ("shard", "merge")
            }
        finally:
            shutil.rmtree(place, ignore_errors=True)
        lines.append([f"{number:,}", found["shard"].text(3), found["merge"].text(3)])
    return table(["samples of the run", f"scoring {SHARD:,} of them, GiB", "merging all scores, GiB"], lines)


def _train(folder: Path, setting: Setting) -> Callable[[], object]:
    store, model = setting.store(folder), setting.model().train()
    own = trainer(setting, store)
    own.rows_at_once = setting.rows
    optimizer = adamw.make_optimizer(model, own.settings)
    return lambda: own.update(model, optimizer, 0)


def _score(folder: Path, setting: Setting) -> Callable[[], object]:
    return Scored(setting, setting.store(folder), setting.heads(1)).score


def prepare(place: Path, number: int) -> None:
    """What scoring so many samples reads: a small model, the samples, their order, shards of scores."""
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256}
    settings = GPTNeoXConfig(vocab_size=64, max_position_embeddings=CONTEXT, **size)
    GPTNeoXForCausalLM(settings).save_pretrained(place / "checkpoint")
    words = {"<eos>": 0, "<unk>": 1, **{f"w{token}": token for token in range(2, 64)}}
    Tokenizer(WordLevel(words, "<unk>")).save(str(place / "tokenizer.json"))
    generator = np.random.default_rng(0)
    files.write_array(place / "train.npy", generator.integers(2, 64, (number, CONTEXT + 1)).astype(np.uint16))
    labels = {
        "document": np.arange(number),
        "label": ["some" if row % 2 else "other" for row in range(number)],
    }
    parquet.write_table(place / "rows.parquet", labels)
    stream = schedule.base(number, number // SHARD, SHARD, 0)
    stream.write(place / "order.parquet")
    files.write_json(place / "targets.json", {"targets": {"head": {"units": ["L1H0"]}}})
    for shard in range(number // SHARD):
        part = slice(shard * SHARD, (shard + 1) * SHARD)
        values = generator.normal(size=(5, SHARD)).astype(np.float32)
        parts = dict(zip(("influence", "qk", "v", "o", "loss"), values, strict=True))
        named = {"step": stream.step[part], "row": stream.row[part], "target": ["head"] * SHARD}
        parquet.write_table(place / "shards" / f"{shard:05d}.parquet", {**named, **parts})


def _shard(place: Path, number: int) -> None:
    """The last shard, by the workflow's own step."""
    target = unit_sections.Target(
        name="head", units=["L1H0"], probe="induction", mode="qkvo", metric="prefix_matching"
    )
    probe = unit_sections.Probe(measure="induction", tokens="repeated", length=16, sequences=64, seed=0)
    scores.score(
        place / "checkpoint",
        place / "tokenizer.json",
        place / "train.npy",
        place / "order.parquet",
        place / "targets.json",
        [],
        fit=sections.Fit(strategy="identity", samples=1, samples_per_part=1, seed=0, batch_size=128),
        damping=0.1,
        floor=None,
        numerics=sections.Numerics(
            attention="eager", training="fp32", attribution="fp32", acceleration="auto"
        ),
        steps=(0, number // SHARD),
        samples=SHARD,
        target_settings=[target],
        probe_settings={"induction": probe},
        probe_files=[],
        shard=number // SHARD - 1,
        save_seconds=60,
        resume=place / "resume",
        out=place / "shard.parquet",
    )


def main(arguments: list[str]) -> None:
    """Do the work and print its peak."""
    what, folder, *given = arguments
    place = Path(folder)
    if what in ("training", "scoring"):
        shape, context, rows, precision = given
        setting = Setting(shape, int(context), int(rows), "bf16" if precision == "bf16" else "fp32")
        work = (_train if what == "training" else _score)(place, setting)
        # Preparing does not count: scoring fits its factors there.
        forget()
        work()
        print(torch.cuda.max_memory_allocated() if torch.cuda.is_available() else resident())
        return
    number = int(given[0])
    if what == "prepare":
        prepare(place, number)
    elif what == "shard":
        _shard(place, number)
    else:
        shards = sorted((place / "shards").glob("*.parquet"))
        blocks = {"head": ["qk", "v", "o"]}
        merge_scores.merge(shards, place / "rows.parquet", number, blocks, place / "scores.parquet")
    print(resident())


if __name__ == "__main__":
    main(sys.argv[1:])
