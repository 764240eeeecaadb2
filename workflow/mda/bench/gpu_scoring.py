"""Scoring on one GPU: one head, a layer's heads and all, and how scores in bf16 rank samples."""

from __future__ import annotations

import sysconfig
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from mda.attribution import influence
from mda.bench import scale, shapes
from mda.bench.device import guarded, memory, once, rate, repeated, say
from mda.bench.shapes import OPTIMIZER, Setting, trainer
from mda.bench.timing import in_turns
from mda.corpus.tokens import TokenStore
from mda.models import compilation
from mda.runtime import files
from mda.training import adamw, schedule

# Batches of a scoring pass, whose start is paid once.
BATCHES = 4


def score(setting: Setting, folder: Path, steps: int, compared: int) -> None:
    """Print scoring of one head, a layer's and all, and how ranks of both precisions agree: `ranks`."""
    store, size, shape = setting.store(folder), setting.size, setting.shape
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
        ranks(setting, folder, steps, compared)


def ranks(setting: Setting, folder: Path, steps: int, compared: int) -> None:
    """Rank correlation of bf16 scores with those of fp32, of all heads, after so many updates on text."""
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
    rows = influence.Rows(text, np.arange(min(compared, len(text))))
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
