"""How much of the loss do the units of a target carry?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from mda.config import sections
from mda.config.study_sections import Ablation
from mda.corpus import prompts, tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables
from mda.models import ablation, architectures, metrics, sequences, units
from mda.models import model as models
from mda.models.units import Head, Neuron, Unit
from mda.runtime import cli, parallel, parquet
from mda.studies.ablation import table
from mda.studies.ablation.table import HELD_OUT, RANDOM, REPEATED, Text


def make(
    checkpoints: Path,
    tokenizer: Path,
    held_out: Path,
    held_out_rows: Path,
    targets: list[Path],
    steps: list[int],
    attention: str,
    metrics_settings: sections.Metrics,
    settings: Ablation,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.line` of every checkpoint of `steps`, target and text.

    The held-out rows and the random tokens are those of the metrics of every run. Sets of other units have
    none of any target: these were chosen for what they do, and may do the same.
    """
    rows = TokenStore(held_out).take(np.arange(len(TokenStore(held_out))))[: metrics_settings.held_out_rows]
    documents = parquet.read_table(held_out_rows, columns=["documents"]).column("documents").to_pylist()
    vocabulary = sequences.ordinary_tokens(tokens.load_tokenizer(tokenizer))
    shown = metrics_settings
    random = sequences.repeated_tokens(vocabulary, shown.sequences, shown.length, shown.seed)
    texts = _texts(rows, np.array([own[0] for own in documents[: len(rows)]]), random)
    members = {name: of_target for path in targets for name, of_target in units.read_targets(path).items()}
    of_targets = units.all_units(members)
    lines = []
    for step in steps:
        model = models.load(checkpoints / f"step-{step:06d}", attention).eval()
        losses = _Losses(model, rows, random)
        for name, own in members.items():
            others = ablation.others(own, of_targets, _in_layer(model, own), settings.draws, settings.seed)
            for text, what in texts.items():
                found = table.line(
                    what,
                    losses.without((), text),
                    losses.without(own, text),
                    [losses.without(draw, text) for draw in others],
                    confidence,
                )
                place = {"target": name, "step": step, "text": text, "units": len(own), "kind": _kind(own)}
                lines.append({**place, **found})
    csv_tables.write(out, pd.DataFrame(lines))


def _texts(rows: np.ndarray, documents: np.ndarray, random: np.ndarray) -> dict[str, Text]:
    """What counts in each text; see `mda.studies.ablation.table`."""
    seen = np.stack([prompts.seen_before(row) for row in rows])
    second = np.zeros((len(random), random.shape[1] - 1), dtype=bool)
    # As the induction probe: the first token of the second half cannot be known, and follows none.
    second[:, random.shape[1] // 2 :] = True
    return {
        HELD_OUT: Text(np.ones(seen.shape, dtype=bool), documents),
        REPEATED: Text(seen, documents),
        RANDOM: Text(second, np.arange(len(random))),
    }


def _in_layer(model: PreTrainedModel, own: Sequence[Unit]) -> int:
    """Units of this kind in a layer."""
    return architectures.neurons(model) if isinstance(own[0], Neuron) else architectures.shape(model)[1]


def _kind(own: Sequence[Unit]) -> str:
    """What a target's units are: heads, neurons, whole layers (all of one kind), or several kinds."""
    kinds = {type(unit) for unit in own}
    if len(kinds) > 1:
        return table.SEVERAL
    return {Head: table.HEADS, Neuron: table.NEURONS}.get(kinds.pop(), table.LAYERS)


class _Losses:
    """Losses of one model without sets of units, each computed once."""

    def __init__(self, model: PreTrainedModel, rows: np.ndarray, random: np.ndarray) -> None:
        self.model = model
        place = parallel.device()
        self.rows = [torch.from_numpy(part.astype(np.int64)).to(place) for part in (rows, random)]
        self.known: dict[frozenset[Unit], list[np.ndarray]] = {}

    def without(self, own: Sequence[Unit], text: str) -> np.ndarray:
        """Losses in nats on a text, shape (rows, predictions)."""
        if frozenset(own) not in self.known:
            with ablation.zeroed(self.model, own):
                found = [metrics.token_losses(self.model, part).numpy() for part in self.rows]
            self.known[frozenset(own)] = found
        return self.known[frozenset(own)][text == RANDOM]


if __name__ == "__main__":
    cli.run(make)
