"""Models of Pythia's shapes with random weights, and rows of random tokens: speed does not depend on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedModel

from mda.attribution import influence, probes
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import sequences
from mda.models.units import Head
from mda.runtime import files, parallel
from mda.training import schedule, training


@dataclass(frozen=True)
class Shape:
    """Sizes of a GPT-NeoX, of which an MLP is four times as wide as the residual stream."""

    layers: int
    width: int
    heads: int

    @property
    def layer_parameters(self) -> int:
        """Weights of all layers, without biases and norms: 4 d^2 of attention, 8 d^2 of the MLP each."""
        return 12 * self.layers * self.width**2

    @property
    def output_parameters(self) -> int:
        """Weights of the output layer."""
        return VOCABULARY * self.width


# Biderman et al. 2023 (arXiv 2304.01373), table 1, and the model cards of 14M and 31M.
SHAPES = {
    "14m": Shape(6, 128, 4),
    "31m": Shape(6, 256, 8),
    "70m": Shape(6, 512, 8),
    "160m": Shape(12, 768, 12),
    "410m": Shape(24, 1024, 16),
    "1b": Shape(16, 2048, 8),
    "1.4b": Shape(24, 2048, 16),
    "2.8b": Shape(32, 2560, 32),
    "6.9b": Shape(32, 4096, 32),
    "12b": Shape(36, 5120, 40),
}
VOCABULARY = 50304
PRECISIONS: tuple[sections.Precision, ...] = ("fp32", "bf16")
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
    """What is measured: a shape, so many rows of so many tokens, a precision."""

    shape: str
    context: int
    rows: int
    precision: sections.Precision = "fp32"

    @property
    def size(self) -> Shape:
        """Of its shape."""
        return SHAPES[self.shape]

    @property
    def tokens(self) -> int:
        """Of all rows."""
        return self.rows * self.context

    def heads(self, layers: int) -> list[Head]:
        """All heads of so many layers around the middle one, or of all of them."""
        first = min(self.size.layers // 2, self.size.layers - layers)
        return [
            Head(layer, head) for layer in range(first, first + layers) for head in range(self.size.heads)
        ]

    def model(self) -> PreTrainedModel:
        """A model with random weights."""
        torch.manual_seed(0)
        settings = GPTNeoXConfig(
            vocab_size=VOCABULARY,
            hidden_size=self.size.width,
            num_hidden_layers=self.size.layers,
            num_attention_heads=self.size.heads,
            intermediate_size=4 * self.size.width,
            max_position_embeddings=self.context,
            rotary_pct=0.25,
        )
        return models.placed(AutoModelForCausalLM.from_config(settings, attn_implementation="sdpa"))

    def store(self, folder: Path) -> TokenStore:
        """Rows of random tokens, half of them repeating their first half."""
        tokens = np.random.default_rng(0).integers(2, VOCABULARY, (self.rows, self.context + 1))
        half = self.context // 2
        tokens[::2, half : 2 * half] = tokens[::2, :half]
        path = folder / f"{self.rows}x{self.context}.npy"
        files.write_array(path, tokens.astype(np.uint16))
        return TokenStore(path)


def query(name: str, heads: list[Head], sequence: int = 64) -> influence.Query:
    """The induction probe on one sequence: a probe is paid once a shard, not once a sample."""
    drawn = sequences.repeated_tokens(np.arange(2, VOCABULARY), 1, sequence // 2, 0)
    return influence.Query(name, heads, probes.induction, torch.from_numpy(drawn).to(parallel.device()))


def trainer(setting: Setting, store: TokenStore) -> training.Trainer:
    """The workflow's own, of one step that reads all rows."""
    stream = schedule.base(setting.rows, 1, setting.rows, None)
    cadence = training.Cadence(1, 0, float("inf"), Path())
    numerics = sections.Numerics(
        attention="sdpa",
        training=setting.precision,
        attribution=setting.precision,
        acceleration="auto",
    )
    return training.Trainer(stream, store, None, OPTIMIZER, numerics, lambda model: {}, cadence)
