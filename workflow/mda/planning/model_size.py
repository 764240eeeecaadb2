"""How many weights a model has, from its settings alone."""

from __future__ import annotations

from typing import NamedTuple

from mda.config.experiment import Config

# Of a hub's tokenizer, which is not read for this.
LARGE_VOCABULARY = 50_000


class Weights(NamedTuple):
    """Numbers of weights: of all layers, and of the embedding or the output layer."""

    layers: int
    embedding: int

    @property
    def all(self) -> int:
        """With an output layer of its own."""
        return self.layers + 2 * self.embedding


def at_most(config: Config) -> Weights | None:
    """An upper bound: an MLP counts as if it had a gate. None where the settings do not tell."""
    shape, tokenizer = config.model.shape(), config.tokens.tokenizer
    if shape.width is None or shape.layers is None or shape.neurons is None:
        return None
    vocabulary = tokenizer.vocabulary if tokenizer.kind in ("bpe", "word") else LARGE_VOCABULARY
    layer = 4 * shape.width**2 + 3 * shape.width * shape.neurons
    return Weights(shape.layers * layer, shape.width * vocabulary)
