"""Training on one GPU: the workflow's ways, and a loop that is tuned for one model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from mda.bench import scale
from mda.bench.device import guarded, memory, once, rate, repeated, say
from mda.bench.shapes import Setting, trainer
from mda.bench.timing import in_turns
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import compilation
from mda.models import model as models
from mda.runtime import parallel
from mda.training import adamw


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


def train(setting: Setting, folder: Path, repetitions: int) -> None:
    """Print updates of training: the plain way, as it was; what is fast now; a tuned loop."""
    store, shape = setting.store(folder), setting.shape
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
