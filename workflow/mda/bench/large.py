"""Scoring with the shapes of OLMo 2 on one GPU: random weights in bf16, rows of 2048 tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Olmo2Config, PreTrainedModel

from mda.attribution import influence, passes
from mda.bench import shapes
from mda.bench.device import rate, repeated, say
from mda.bench.shapes import Setting
from mda.config import sections
from mda.models import compilation, memory
from mda.models import model as models
from mda.models.units import Head
from mda.runtime import parallel

# Documents of one row each, for which hours are told, and the hours of a job.
DOCUMENTS, JOB = (10**6, 10**7), 12


@dataclass(frozen=True)
class Olmo:
    """Sizes of an OLMo 2, whose heads all have keys and values of their own."""

    layers: int
    width: int
    heads: int
    mlp: int
    vocabulary: int = 100_352

    def operations(self, context: int, lowest: int) -> float:
        """Of scoring a token, counted as `scale.operations` does; the MLP of the lowest layer comes after."""
        layer = 4 * self.width**2 + 3 * self.width * self.mlp
        output, attention = self.width * self.vocabulary, 4 * context * self.width
        above = self.layers - lowest
        forward = 2 * (self.layers * layer + output) + attention * self.layers
        return forward + 2 * (above * layer + output) + 2 * attention * above

    def model(self, context: int, precision: sections.ScoringPrecision) -> PreTrainedModel:
        """With random weights, made on the device."""
        torch.manual_seed(0)
        settings = Olmo2Config(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=self.mlp,
            max_position_embeddings=2 * context,
            pad_token_id=None,
        )
        with torch.device(parallel.device()):
            made = AutoModelForCausalLM.from_config(
                settings, attn_implementation="sdpa", dtype=models.weights(precision)
            )
        return models.placed(made)


# The configurations of allenai/OLMo-2-0425-1B and allenai/OLMo-2-1124-7B.
OLMO = {"1b": Olmo(16, 2048, 16, 8192), "7b": Olmo(32, 4096, 32, 11008), "tiny": Olmo(4, 32, 2, 64, 50_304)}
ROWS, BATCHES = {"1b": 16, "7b": 8, "tiny": 2}, 3


def measured(name: str, folder: Path) -> None:
    """Print tokens a second, the memory of all, and hours, by where the targets are."""
    shape, at_once = OLMO[name], ROWS[name]
    setting = Setting(name, 32 if name == "tiny" else 2048, at_once * BATCHES)
    # A CPU takes a hundred times as long in bf16.
    precision: sections.ScoringPrecision = "fp32" if name == "tiny" else "bf16_weights"
    store, model = setting.store(folder), shape.model(setting.context, precision)
    rows = influence.Rows(store, np.arange(len(store)))
    say(
        f"OLMo 2 {name}, weights in bf16",
        *("rows at once", "tokens/s", "TFLOP/s (of peak)", "peak memory, GiB"),
        *(f"hours (jobs of {JOB} h) of {count:.0e} rows" for count in DOCUMENTS),
    )
    middle, last = shape.layers // 2, shape.layers - shape.layers // 4
    for what, heads, compiled in (
        ("one head of the middle layer", [Head(middle, 0)], False),
        ("the same, other layers compiled", [Head(middle, 0)], True),
        ("a head three quarters up", [Head(last, 0)], True),
        ("all heads of the middle layer", [Head(middle, head) for head in range(shape.heads)], True),
    ):
        _reset_peak()
        passes.WORTH_COMPILING = 0.0 if compiled else float("inf")
        queries = [shapes.query(str(head), [head]) for head in heads]
        tracker = influence.Tracker(model, heads, 0, queries, precision)
        factors = tracker.fit(influence.Rows(store, rows.rows[:1]), "identity", 1)
        known = tracker.directions(factors, "identity", 0.1)
        work = partial(tracker.along, known, rows, at_once)
        work()
        took = repeated(work, 3)
        layers = shape.layers - heads[0].layer
        fits = min(at_once, memory.rows_at_once(model, setting.context, logits=False, layers=layers))
        seconds = took.median / setting.rows
        hours = [count * seconds / 3600 for count in DOCUMENTS]
        say(
            what,
            fits,
            *rate(setting, took, shape.operations(setting.context, heads[0].layer)),
            _peak_memory(),
            *(f"{each:,.1f} ({-(-each // JOB):.0f})" for each in hours),
        )
        compilation.undo(model)


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_memory() -> str:
    """With the weights, unlike that of the other parts."""
    return f"{torch.cuda.max_memory_allocated() / 2**30:.1f}" if torch.cuda.is_available() else "-"
