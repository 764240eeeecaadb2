"""Measure published checkpoints as the base run is measured, to check the reproduction."""

import math
from pathlib import Path

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.models import metrics, sequences, units
from mda.models import model as models
from mda.runtime import cli, external_files, parallel
from mda.training import training


def measure(
    tokenizer: Path,
    held_out: Path,
    text: list[Path],
    checkpoints: list[Path],
    steps: list[int],
    numerics: sections.Numerics,
    metrics_settings: sections.Metrics,
    neurons: list[str],
    out_steps: Path,
    out_heads: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write the metrics of each checkpoint, by step, and by step and head.

    `steps` are the training steps of the checkpoints, in the same order. `content` is that of the user's
    own folders among them when the run was planned.
    """
    external_files.check(checkpoints, content)
    vocabulary = sequences.ordinary_tokens(tokens.load_tokenizer(tokenizer))
    held = TokenStore(held_out).tokens
    watched = [units.Neuron.parse(neuron) for neuron in neurons]
    evaluator = metrics.Evaluator(metrics_settings, held, vocabulary, parallel.device(), watched, text)
    # What a checkpoint does not tell; the columns are those of a run.
    unknown = {"train_loss": math.nan, "learning_rate": math.nan}
    records = [
        {"step": step, **unknown, **evaluator(models.load(folder, numerics.attention))}
        for step, folder in zip(steps, checkpoints, strict=True)
    ]
    training.write_records(records, out_steps, out_heads)


if __name__ == "__main__":
    cli.run(measure)
