"""Metrics of a model during training: every head's scores, the held-out loss, the ICL score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import architectures, memory, sequences
from mda.models import model as models
from mda.models.neurons import activations
from mda.models.units import Neuron

HEAD_METRICS = ("prefix_matching", "previous_token", "copying")
BATCH = 64


@dataclass(frozen=True)
class Scores:
    """The scores of all heads, each of shape (layers, heads)."""

    prefix_matching: torch.Tensor
    previous_token: torch.Tensor
    copying: torch.Tensor


def prefix_matching(attention: torch.Tensor) -> torch.Tensor:
    """Mean attention from the second half to just after the token's previous occurrence.

    Args:
        attention: shape (batch, heads, 2T, 2T) on T random tokens shown twice. Position t >= T
            repeats position t - T, so the head should attend to t - T + 1
            (Olsson et al. 2022, arXiv 2209.11895).

    Returns:
        Shape (heads,), between 0 and 1.
    """
    length = attention.shape[-1] // 2
    diagonal = attention.diagonal(offset=1 - length, dim1=-2, dim2=-1)
    # Entry j of this diagonal is attention[j + length - 1, j]; the second half begins at j = 1.
    return diagonal[..., 1:].mean(dim=(0, 2))


def previous_token(attention: torch.Tensor) -> torch.Tensor:
    """Mean attention from t to t - 1, shape (heads,)."""
    return attention.diagonal(offset=-1, dim1=-2, dim2=-1).mean(dim=(0, 2))


@torch.no_grad()
def head_scores(model: PreTrainedModel, tokens: torch.Tensor) -> Scores:
    """Score every head of a model; see `scores`."""
    return scores(model, tokens)


def scores(model: PreTrainedModel, tokens: torch.Tensor) -> Scores:
    """Score every head of a model, so that the scores can be differentiated.

    Args:
        tokens: shape (batch, 2T): T random tokens, then the same again.

    Returns:
        Prefix-matching score, previous-token score, and copying log-probability: the mean
        log-probability, in nats, of the token to be copied when the head's output alone is
        read through the final norm and the unembedding (a head's logit lens); -log(vocabulary)
        is chance.
    """
    layers, heads, size = architectures.shape(model)
    name = architectures.of(model).output
    projections = [architectures.module(model, layer, name) for layer in range(layers)]
    with models.attention(model, "eager"), models.inputs_of(projections) as outputs:
        attentions = model(tokens, output_attentions=True, use_cache=False).attentions
    copying = [
        _copying(model, layer, output.unflatten(-1, (heads, size)), tokens)
        for layer, output in enumerate(outputs)
    ]
    return Scores(
        torch.stack([prefix_matching(attention) for attention in attentions]),
        torch.stack([previous_token(attention) for attention in attentions]),
        torch.stack(copying),
    )


def _copying(model: PreTrainedModel, layer: int, output: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    architecture = architectures.of(model)
    length = tokens.shape[1] // 2
    projection = architectures.module(model, layer, architecture.output)
    weight = architectures.weight(projection).unflatten(1, output.shape[-2:])
    final_norm = model.get_submodule(architecture.final_norm)
    scores = []
    for head in range(output.shape[-2]):
        written = output[:, length:-1, head] @ weight[:, head].T
        if architecture.attention_norm is not None:
            written = architectures.module(model, layer, architecture.attention_norm)(written)
        logits = model.get_output_embeddings()(final_norm(written))
        # Position t of the second half predicts token t + 1, which stood at t + 1 - T.
        target = tokens[:, length + 1 :, None]
        scores.append(functional.log_softmax(logits, dim=-1).gather(-1, target).mean())
    return torch.stack(scores)


@torch.no_grad()
def neuron_activation(
    model: PreTrainedModel, tokens: torch.Tensor, neurons: Sequence[Neuron]
) -> torch.Tensor:
    """Mean activation in the second half of the sequences minus that in the first.

    Args:
        tokens: shape (batch, 2T): T random tokens, then the same again.

    Returns:
        Shape (neurons,); above 0 the neuron responds to repetition.
    """
    length = tokens.shape[1] // 2
    found = activations(model, tokens, neurons)
    return found[:, length:].mean(dim=(0, 1)) - found[:, :length].mean(dim=(0, 1))


@torch.no_grad()
def token_losses(model: PreTrainedModel, rows: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every prediction, in nats.

    Args:
        rows: shape (rows, context + 1).

    Returns:
        Shape (rows, context), on the CPU; column p is the loss of token p + 1.
    """
    losses = []
    for batch in rows.split(min(BATCH, memory.rows_at_once(model, rows.shape[1] - 1))):
        logits = model(batch[:, :-1], use_cache=False).logits
        losses.append(models.cross_entropies(logits, batch[:, 1:]).cpu())
    return torch.cat(losses)


def icl_score(losses: torch.Tensor, settings: sections.ICL) -> float:
    """In-context learning score: late loss minus mean early loss; more negative is better.

    The paper's positions, 500 against 0-50 (arXiv 2601.21996), are scaled to the context by
    the configuration.

    Args:
        losses: shape (rows, context) from `token_losses`.
    """
    return float(losses[:, settings.late].mean() - losses[:, : settings.early + 1].mean())


class Evaluator:
    """The same measurements, on the same data, at every evaluation step of every run."""

    def __init__(
        self,
        settings: sections.Metrics,
        held_out: np.ndarray,
        vocabulary: np.ndarray,
        device: torch.device,
        neurons: Sequence[Neuron] = (),
        text: Sequence[Path] = (),
        probes: Mapping[str, Callable[[PreTrainedModel], float]] | None = None,
    ) -> None:
        """Draw the random sequences and keep the first rows to measure on.

        Args:
            held_out: shape (rows, context + 1).
            vocabulary: ids of the ordinary tokens.
            neurons: those to be watched.
            text: a token store for the ICL score, or none for the held-out rows.
            probes: target -> what gives the value of its probe.
        """
        self.neurons, self.probes = neurons, dict(probes or {})
        self.settings = settings
        repeated = sequences.repeated_tokens(vocabulary, settings.sequences, settings.length, settings.seed)
        self.repeated = torch.from_numpy(repeated).to(device)
        self.held_out = self._rows(held_out, device)
        self.text = self._rows(TokenStore(text[0]).tokens, device) if text else None

    def _rows(self, tokens: np.ndarray, device: torch.device) -> torch.Tensor:
        return torch.from_numpy(tokens[: self.settings.held_out_rows].astype(np.int64)).to(device)

    def __call__(self, model: PreTrainedModel) -> dict[str, Any]:
        """Scalars `held_out_loss`, `icl_score`, `activation L1N37`, `probe mine`; lists layers x heads."""
        training = model.training
        model.eval()
        losses = token_losses(model, self.held_out)
        text_losses = losses if self.text is None else token_losses(model, self.text)
        scores = head_scores(model, self.repeated)
        watched = neuron_activation(model, self.repeated, self.neurons) if self.neurons else ()
        values = {f"probe {target}": value(model) for target, value in self.probes.items()}
        model.train(training)
        return {
            **values,
            **{f"activation {unit}": float(value) for unit, value in zip(self.neurons, watched, strict=True)},
            "held_out_loss": float(losses.mean()),
            "icl_score": icl_score(text_losses, self.settings.icl),
            **{metric: getattr(scores, metric).tolist() for metric in HEAD_METRICS},
        }
