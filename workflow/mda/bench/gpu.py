"""Speed and memory of training and scoring on one GPU, compared with its peak and with a tuned loop.

    python -m mda.bench.gpu PART FOLDER [--tiny]

measures one part and prints each line when it is known. Each part is a process of its own, with a limit
of time: what a later one does wrong leaves the lines of those before. `--tiny` is for machines without a GPU:
the same code on shapes that mean nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedModel

from mda.attribution import influence
from mda.bench import large, scale, shapes
from mda.bench.shapes import OPTIMIZER, Setting, trainer
from mda.bench.timing import Spread, in_turns
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import compilation, metrics
from mda.models import model as models
from mda.runtime import files, parallel
from mda.training import adamw, schedule, training

WORKFLOW = Path(__file__).parents[2]
# Parts in order of worth, and seconds that each may take.
LIMITS = {
    "train-160m": 110,
    "score-160m": 110,
    "small": 60,
    "train-14m": 75,
    "score-14m": 50,
    "large-1b": 60,
    "large-7b": 100,
}
# What an accelerator's dense bf16 products reach at most, in TFLOP/s (NVIDIA's data sheets).
PEAKS = {"H100": 989, "H200": 989, "A100": 312}
ROWS = {"14m": 64, "160m": 32}
# Batches of a scoring pass, whose start is paid once.
BATCHES = 4
NOTHING = {"held_out_loss": 0.0, "prefix_matching": [[0.0]]}


def part(name: str, folder: Path, tiny: bool = False) -> str:
    """Measure a part in a process of its own, which is ended after its time; what it printed."""
    command = [sys.executable, "-m", "mda.bench.gpu", name, str(folder), *(["--tiny"] if tiny else [])]
    found = os.pathsep.join(filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": found, "PYTHONUNBUFFERED": "1"}
    lines = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(LIMITS[name], process.kill)
        limit.start()
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        process.wait()
        limit.cancel()
    if process.returncode != 0:
        lines.append(
            f"Not all of {name} was measured: status {process.returncode}, {LIMITS[name]} s at most.\n"
        )
        print(lines[-1], end="", flush=True)
    return "".join(lines)


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


def ours(setting: Setting, store: TokenStore, way: sections.Acceleration) -> Callable[[], object]:
    """An update of the workflow's trainer, which does not wait for the device."""
    model, own = setting.model().train(), trainer(setting, store)
    own.numerics = own.numerics.model_copy(update={"acceleration": way})
    optimizer = adamw.make_optimizer(model, own.settings, way)
    return lambda: own.begin(model, optimizer, 0)


def tuned(setting: Setting, store: TokenStore) -> Callable[[], object]:
    """What one would write for this model alone, to be fast: all of it compiled, AdamW in one kernel."""
    model = setting.model().train()
    cuda = parallel.device().type == "cuda"
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=cuda or None
    )
    tokens = torch.from_numpy(store.take(np.arange(setting.rows))).to(parallel.device())

    @partial(torch.compile, backend=compilation.BACKEND, dynamic=False)
    def loss(batch: torch.Tensor) -> torch.Tensor:
        logits = model(batch[:, :-1], use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())

    # As many rows at once as fit with all logits.
    batches = tokens.split(min(setting.rows, 16))

    def update() -> None:
        for batch in batches:
            with models.precision(tokens.device, setting.precision):
                mean = loss(batch) / len(batches)
            mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


def train(shape: str, folder: Path) -> None:
    """Updates of training: the plain way, as it was; what is fast now; a tuned loop."""
    # A CPU takes many times as long in bf16.
    setting = Setting(shape, shapes_context(shape), ROWS.get(shape, 4), "bf16" if shape in ROWS else "fp32")
    store, repetitions = setting.store(folder), 5 if shape in ROWS else 2
    operations = scale.training_operations(setting.size, setting.context)
    ways: dict[str, Callable[[], Callable[[], object]]] = {
        "plain (as before)": partial(ours, setting, store, "plain"),
        "compiled": partial(ours, setting, store, "compiled"),
        "a tuned loop": partial(tuned, setting, store),
        "fused": partial(ours, setting, store, "fused"),
    }
    if torch.cuda.is_available():
        ways["compiled, as a graph"] = partial(ours, setting, store, "compiled_graph")
    say("training", "first update, s", "tokens/s", "TFLOP/s (of peak)", "peak memory, GiB")
    works: dict[str, Callable[[], object]] = {}
    for name, make in ways.items():
        with guarded(f"{shape}, {name}"), memory() as held:
            work = make()
            first = once(work)
            work()
            took = repeated(work, repetitions)
            works[name] = work
            say(f"{shape}, {name}", f"{first:.1f}", *rate(setting, took, operations), held())
    with guarded("turns"):
        found = in_turns(works, repetitions)
        mine = "compiled"
        for other in works:
            if other != mine and mine in works:
                say(f"{shape}, time of {other} / {mine}, in turns", found[other].over(found[mine]).text())
    works.clear()


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


def shapes_context(shape: str) -> int:
    """2048, but for a shape that means nothing."""
    return 2048 if shape in ROWS else 32


def score(shape: str, folder: Path) -> None:
    """Scoring one head, a layer's and all, in both precisions; and how their ranks agree."""
    setting = Setting(shape, shapes_context(shape), ROWS.get(shape, 4), "bf16")
    store, size = setting.store(folder), setting.size
    sets = {
        "one head": setting.heads(1)[:1],
        "a layer's heads": setting.heads(1),
        "all heads": setting.heads(size.layers),
    }
    rows = influence.Rows(store, np.tile(np.arange(setting.rows), BATCHES))
    say("scoring", "tokens/s", "TFLOP/s (of peak)", "peak memory, GiB", "once a shard, s")
    works: dict[str, Callable[[], object]] = {}
    for name, heads in sets.items():
        with guarded(f"{shape}, {name}"), memory() as held:
            queries = [shapes.query(str(head), [head]) for head in heads]
            tracker = influence.Tracker(setting.model(), heads, 0, queries, setting.precision)
            factors = tracker.fit(rows, "identity", setting.rows)
            began = time.perf_counter()
            known = tracker.directions(factors, "identity", 0.1)
            prepared = time.perf_counter() - began
            work = partial(tracker.along, known, rows, setting.rows)
            work()
            took = repeated(work, 3).each(lambda seconds: seconds / BATCHES)
            works[name] = work
            lowest = heads[0].layer
            layers = len(heads) // size.heads or 1
            # The products of scores of further layers.
            operations = scale.operations(size, setting.context, lowest) + 8 * (layers - 1) * size.width**2
            say(
                f"{shape}, {name} ({len(heads)})", *rate(setting, took, operations), held(), f"{prepared:.1f}"
            )
    with guarded("turns"):
        turns = in_turns(works, 3)
        for name in works:
            say(f"{shape}, time of {name} / one head, in turns", turns[name].over(turns["one head"]).text())
    works.clear()
    with guarded("layers without targets, compiled"):
        heads = sets["one head"]
        tracker = influence.Tracker(
            setting.model(), heads, 0, [shapes.query("one", heads)], setting.precision
        )
        known = tracker.directions(tracker.fit(rows, "identity", setting.rows), "identity", 0.1)
        compilation.compile_layers(tracker.model, {head.layer for head in heads})
        work = partial(tracker.along, known, rows, setting.rows)
        first = once(work)
        took = repeated(work, 3).each(lambda seconds: seconds / BATCHES)
        operations = scale.operations(size, setting.context, heads[0].layer)
        say(
            f"{shape}, one head, layers without targets compiled in {first:.1f} s",
            *rate(setting, took, operations),
        )
    with guarded("ranks"):
        ranks(setting, folder)


def ranks(setting: Setting, folder: Path) -> None:
    """Rank correlation of bf16 scores with those of fp32, of all heads, after some training on text."""
    steps, count = (60, 512) if setting.shape in ROWS else (2, 16)
    text = source_code(folder, setting.context, setting.rows * steps)
    model = setting.model().train()
    own = trainer(setting, text)
    own.stream = schedule.base(len(text), steps, setting.rows, 0)
    own.settings = OPTIMIZER.model_copy(update={"schedule": "constant", "warmup_steps": 5})
    optimizer = adamw.make_optimizer(model, own.settings)
    losses = [own.update(model, optimizer, step) for step in range(steps)]
    compilation.undo(model)
    heads = setting.heads(setting.size.layers)
    queries = [shapes.query(str(head), [head]) for head in heads]
    rows = influence.Rows(text, np.arange(min(count, len(text))))
    tracker = influence.Tracker(model, heads, 0, queries, "fp32")
    scores = {}
    for precision in shapes.PRECISIONS:
        tracker.precision = precision
        factors = tracker.fit(rows, "identity", 64)
        _, parts = tracker.along(tracker.directions(factors, "identity", 0.1), rows, 64)
        scores[precision] = np.array([np.sum(list(mine.values()), axis=0) for mine in parts])
    agreed = [spearmanr(*pair).statistic for pair in zip(scores["fp32"], scores["bf16"], strict=True)]
    say(
        f"{setting.shape}, {steps} updates on bytes of Python's library "
        f"(loss {losses[0]:.2f} to {losses[-1]:.2f}), "
        f"{len(rows)} rows: rank correlation of bf16 with fp32, median (least) of {len(heads)} heads",
        f"{np.median(agreed):.5f} ({min(agreed):.5f})",
    )


def source_code(folder: Path, context: int, rows: int) -> TokenStore:
    """Rows of the bytes of Python's standard library."""
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    content = b"".join(path.read_bytes() for path in paths)
    needed = rows * (context + 1)
    tokens = np.resize(np.frombuffer(content, np.uint8), needed).reshape(rows, context + 1)
    path = folder / f"source-{rows}x{context}.npy"
    files.write_array(path, tokens.astype(np.uint16))
    return TokenStore(path)


@dataclass(frozen=True)
class Small:
    """A model so small that a GPU waits for Python: 4 layers of 256, 64 rows of 256 tokens."""

    width: int = 256
    rows: int = 64
    context: int = 256
    vocabulary: int = 4096
    steps: int = 220
    warm: int = 20

    def store(self, folder: Path) -> TokenStore:
        """Random tokens, for all steps."""
        shape = (self.rows * self.steps, self.context + 1)
        path = folder / "small.npy"
        files.write_array(
            path, np.random.default_rng(0).integers(2, self.vocabulary, shape).astype(np.uint16)
        )
        return TokenStore(path)

    def model(self) -> PreTrainedModel:
        """With random weights."""
        torch.manual_seed(0)
        settings = GPTNeoXConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=4 * self.width,
            max_position_embeddings=self.context,
        )
        return models.placed(AutoModelForCausalLM.from_config(settings, attn_implementation="sdpa"))

    def follow(
        self,
        store: TokenStore,
        folder: Path,
        numerics: sections.Numerics,
        evaluate: Callable[[PreTrainedModel], dict[str, Any]],
        every: int,
    ) -> tuple[float, float]:
        """Seconds of the first steps, and milliseconds of each of the others."""
        model = self.model()
        stream = schedule.base(len(store), self.steps, self.rows, 0)
        cadence = training.Cadence(every, 0, float("inf"), folder / "none")
        own = training.Trainer(stream, store, None, OPTIMIZER, numerics, evaluate, cadence)
        optimizer = adamw.make_optimizer(model, OPTIMIZER, numerics.acceleration)
        first = once(partial(own.follow, model, optimizer, 0, self.warm))
        own.records.clear()
        rest = once(partial(own.follow, model, optimizer, self.warm, self.steps))
        return first, 1000 * rest / (self.steps - self.warm)


def small(folder: Path, shape: Small) -> None:
    """A step of a small model in every way, with and without evaluations."""
    store, cuda = shape.store(folder), torch.cuda.is_available()
    icl = sections.ICL(early=3, late=shape.context - 1)
    measured = sections.Metrics(seed=1, sequences=64, length=16, held_out_rows=shape.rows, text=None, icl=icl)
    vocabulary = np.arange(2, shape.vocabulary)
    evaluator = metrics.Evaluator(measured, store.tokens, vocabulary, parallel.device())
    say("a small model", f"first {shape.warm} steps, s", "ms a step, evaluated every 10", "not", "peak, GiB")
    ways: list[sections.Acceleration] = ["plain", "fused"]
    precision: sections.Precision = "bf16" if cuda else "fp32"
    if cuda:
        ways += ["graph", "compiled", "compiled_graph", "auto"]
    for way in ways:
        with guarded(f"small, {way}"), memory() as held:
            numerics = sections.Numerics(
                attention="sdpa",
                training=precision,
                attribution="fp32",
                acceleration=way,
            )
            given = (store, folder, numerics)
            first, evaluated = shape.follow(*given, evaluator, 10)
            _, bare = shape.follow(*given, lambda model: NOTHING, shape.steps)
            say(f"{way}, {precision}", f"{first:.1f}", f"{evaluated:.2f}", f"{bare:.2f}", held())


def main(arguments: list[str]) -> int:
    """Measure one part."""
    parser = argparse.ArgumentParser(prog="mda.bench.gpu")
    parser.add_argument("part", choices=LIMITS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("mda.training.acceleration").setLevel(logging.INFO)
    shape = given.part.partition("-")[2]
    if given.tiny:
        shapes.SHAPES["tiny"] = shapes.Shape(2, 32, 2)
        compilation.BACKEND = "aot_eager"
        shape = "tiny"
    what = given.part.partition("-")[0]
    if what == "train":
        train(shape, given.folder)
    elif what == "score":
        score(shape, given.folder)
    elif what == "large":
        large.measured(shape, given.folder, say, repeated, rate)
    else:
        small(given.folder, Small(32, 4, 16, 64, 40) if given.tiny else Small())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
