"""Probes on text: answers to prompts, the loss on texts, features of autoencoders. Higher is better.

Sequences are padded on their right. In a causal model no token sees what comes after it, and positions are
counted from the left, so that each has the numbers that it has alone; a test holds it for every architecture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from mda.corpus.prompts import Asked, Piece
from mda.models import encoders, output_layer
from mda.models.encoders import Feature

# Tokens of a batch, padding included: the layers' activations of one batch are kept at a time.
TOGETHER = 2**14

Item = TypeVar("Item")


def padded(sequences: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    """Sequences, shape (length,) each, as one tensor (sequences, longest), with zeros after their ends."""
    tokens = torch.zeros(len(sequences), max(map(len, sequences)), dtype=torch.int64)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = torch.from_numpy(sequence)
    return tokens.to(device)


class Batched:
    """A probe that is a sum over batches, which can be differentiated one after the other.

    Attributes:
        parts: probes, whose sum this is.
    """

    parts: Sequence[Any]

    def __call__(self, model: nn.Module, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        """The value; neither tokens nor units are read."""
        return torch.stack([part(model, tokens, units) for part in self.parts]).sum()


class PromptBatch:
    """A batch of prompts: the sum over them of what `Prompts` says, by the number of all prompts."""

    def __init__(self, asked: Sequence[Asked], number: int, device: torch.device) -> None:
        self.number = number
        sequences = [each for prompt in asked for side in prompt for each in side]
        # Where there is one token to predict, all alternatives read the same.
        read = list(dict.fromkeys(each.tokens.tobytes() for each in sequences))
        self.tokens = padded([np.frombuffer(each, dtype=np.int64).copy() for each in read], device)
        row_of = {each: row for row, each in enumerate(read)}
        rows = [row_of[each.tokens.tobytes()] for each in sequences for _ in each.predicted]
        positions = np.concatenate([each.positions for each in sequences])
        places = np.stack([np.array(rows), positions], axis=1)
        places, which = np.unique(places, axis=0, return_inverse=True)
        self.places = torch.from_numpy(places).to(device)
        self.which = torch.from_numpy(which.reshape(-1)).to(device)
        self.predicted = torch.from_numpy(np.concatenate([each.predicted for each in sequences])).to(device)
        lengths = [len(each.predicted) for each in sequences]
        self.sequence = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths)).to(device)
        self.sides = [[len(side) for side in prompt] for prompt in asked]

    def __call__(self, model: PreTrainedModel, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        """The value; neither tokens nor units are read."""
        del tokens, units
        hidden = model.base_model(self.tokens, use_cache=False).last_hidden_state
        # The output layer is most of a small model: it is asked where an answer is predicted alone.
        logits = model.get_output_embeddings()(hidden[self.places[:, 0], self.places[:, 1]])
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        each = logits.log_softmax(dim=-1)[self.which, self.predicted]
        size = sum(sum(sides) for sides in self.sides)
        whole = each.new_zeros(size).index_add(0, self.sequence, each)
        total, begin = each.new_zeros(()), 0
        for answers, foils in self.sides:
            total = total + whole[begin : begin + answers].logsumexp(dim=0)
            if foils:
                total = total - whole[begin + answers : begin + answers + foils].logsumexp(dim=0)
            begin += answers + foils
        return total / self.number


class Prompts(Batched):
    """Mean over prompts of the log-probability of the answer, in nats; with foils, less that of the foil.

    That of an answer of several tokens is the sum over its tokens, each given the prompt and the answer's
    tokens before it. Of several answers or foils it is that of any of them: the log of the sum of their
    probabilities.
    """

    def __init__(self, asked: Sequence[Asked], device: torch.device) -> None:
        """Of prompts as `mda.corpus.prompts.encode_prompts` gives them."""
        sizes = [
            sum({each.tokens.tobytes(): len(each.tokens) for side in prompt for each in side}.values())
            for prompt in asked
        ]
        self.parts = [PromptBatch(part, len(asked), device) for part in _together(asked, sizes)]


class TextBatch:
    """A batch of texts: the sum over their counted tokens of the log-probability, by the number of all."""

    def __init__(self, pieces: Sequence[Piece], number: int, device: torch.device) -> None:
        self.number = number
        self.tokens = padded([piece.tokens for piece in pieces], device)
        self.rows, self.counted = _counted(pieces, device)

    def __call__(self, model: PreTrainedModel, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        """The value; neither tokens nor units are read."""
        del tokens, units
        losses = output_layer.losses(model, self.tokens[:, :-1], self.tokens[:, 1:])
        return -losses[self.rows, self.counted - 1].sum() / self.number

    def in_all_weights(self, model: PreTrainedModel) -> torch.Tensor:
        """The same value, which can be differentiated in the output layer's weights too."""
        labels = torch.full_like(self.tokens[:, 1:], output_layer.IGNORED)
        labels[self.rows, self.counted - 1] = self.tokens[self.rows, self.counted]
        return -output_layer.summed(model, self.tokens[:, :-1], labels) / self.number


class Texts(Batched):
    """Mean over the counted tokens of texts of their log-probability, in nats: minus the loss."""

    parts: Sequence[TextBatch]

    def __init__(self, pieces: Sequence[Piece], device: torch.device) -> None:
        """Of pieces as `mda.corpus.prompts.encode_texts` gives them."""
        number = sum(len(piece.counted) for piece in pieces)
        sizes = [len(piece.tokens) for piece in pieces]
        self.parts = [TextBatch(part, number, device) for part in _together(pieces, sizes)]


class FeatureBatch:
    """A batch of sequences: the sum over counted tokens of a feature's activation, by the number of all."""

    def __init__(
        self, feature: Feature, place: str, pieces: Sequence[Piece], number: int, device: torch.device
    ) -> None:
        self.feature, self.place, self.number = feature, place, number
        self.tokens = padded([piece.tokens for piece in pieces], device)
        self.rows, self.counted = _counted(pieces, device)

    def __call__(self, model: PreTrainedModel, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        """The value; neither tokens nor units are read."""
        del tokens, units
        with encoders.read_at(model, self.place) as kept:
            model.base_model(self.tokens, use_cache=False)
        return self.feature(kept[0][self.rows, self.counted]).sum() / self.number


class FeatureOnTexts(Batched):
    """Mean over the counted tokens of a feature's activation."""

    def __init__(self, feature: Feature, place: str, pieces: Sequence[Piece], device: torch.device) -> None:
        """Of an encoder that reads at this place; see `encoders.read_at`."""
        number = sum(len(piece.counted) for piece in pieces)
        sizes = [len(piece.tokens) for piece in pieces]
        self.parts = [FeatureBatch(feature, place, part, number, device) for part in _together(pieces, sizes)]


def _counted(pieces: Sequence[Piece], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and positions of the counted tokens of a batch."""
    rows = np.repeat(np.arange(len(pieces)), [len(piece.counted) for piece in pieces])
    counted = np.concatenate([piece.counted for piece in pieces])
    return torch.from_numpy(rows).to(device), torch.from_numpy(counted).to(device)


def _together(items: Sequence[Item], sizes: Sequence[int]) -> Iterator[list[Item]]:
    """Items in batches of about as many tokens as may be together, those of about a size together."""
    batch: list[Item] = []
    tokens = 0
    for number in np.argsort(sizes, kind="stable"):
        if batch and tokens + sizes[number] > TOGETHER:
            yield batch
            batch, tokens = [], 0
        batch.append(items[number])
        tokens += sizes[number]
    yield batch
