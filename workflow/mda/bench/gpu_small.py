"""A step of a small model, for which Python is slower than the GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedModel

from mda.bench.device import guarded, memory, once, say
from mda.bench.shapes import OPTIMIZER
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import metrics
from mda.models import model as models
from mda.runtime import files, parallel
from mda.training import adamw, schedule, training

NOTHING = {"held_out_loss": 0.0, "prefix_matching": [[0.0]]}


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
