"""Measure published checkpoints as the base run is measured, to check the reproduction."""

import math
from pathlib import Path

from mda.config import sections, unit_sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.runtime import cli, external_files
from mda.training import evaluations, watched_probes


def measure(
    tokenizer: Path,
    held_out: Path,
    text: list[Path],
    checkpoints: list[Path],
    steps: list[int],
    numerics: sections.Numerics,
    metrics_settings: sections.Metrics,
    neurons: list[str],
    watched: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    probe_content: str,
    out_steps: Path,
    out_heads: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write the metrics of each checkpoint, by step, and by step and head.

    `steps` are the training steps of the checkpoints, in the same order. `content` is that of the user's
    own folders among them when the run was planned; `watched`, `probe_settings`, `probe_files` and
    `probe_content` are as in the base run.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), probe_content)
    external_files.check(checkpoints, content)
    reader, held = tokens.load_tokenizer(tokenizer), TokenStore(held_out)
    evaluator = watched_probes.evaluator(
        metrics_settings, held, reader, neurons, text, watched, probe_settings
    )
    # What a checkpoint does not tell; the columns are those of a run.
    unknown = {"train_loss": math.nan, "learning_rate": math.nan}
    records = [
        {"step": step, **unknown, **evaluator(models.load(folder, numerics.attention))}
        for step, folder in zip(steps, checkpoints, strict=True)
    ]
    evaluations.write_records(records, out_steps, out_heads)


if __name__ == "__main__":
    cli.run(measure)
