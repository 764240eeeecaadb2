"""Train the base model in its recorded order, keeping the listed checkpoints."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from mda.config import sections, unit_sections
from mda.corpus import encoding, tokens
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.runtime import cli, external_files, files, parallel, saves
from mda.training import adamw, evaluations, training, watched_probes
from mda.training import schedule as schedules


def train(
    tokenizer: Path,
    train: Path,
    held_out: Path,
    text: list[Path],
    schedule: Path,
    start: list[Path],
    model: sections.Model,
    steps: int,
    checkpoints: list[int],
    branch_at: int,
    evaluate_every: int,
    optimizer: sections.Optimizer,
    numerics: sections.Numerics,
    metrics_settings: sections.Metrics,
    neurons: list[str],
    watched: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    probe_content: str,
    save_seconds: float,
    resume: Path,
    out_checkpoints: Path,
    out_state: Path,
    out_steps: Path,
    out_heads: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Train, and write checkpoints, the state at which interventions branch, and the metrics.

    `start` has the checkpoint to start from, if there is one; `content` is that of a user's own when the
    run was planned. `out_checkpoints` gets a folder
    `step-000000` a listed step, in Hugging Face format; `out_state` the full training state at
    the branching step; `out_steps` and `out_heads` the metrics by step (the activation of
    the watched `neurons` among them, and the probes of the targets `watched`), and by step and head. A killed
    run goes on from `resume` and gives the numbers of an unbroken one. `probe_files` are the users' own
    sources of these probes, and `probe_content` what their data was when the run was planned.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), probe_content)
    external_files.check(start, content)
    reader = tokens.load_tokenizer(tokenizer)
    store, held = TokenStore(train), TokenStore(held_out)
    evaluator = watched_probes.evaluator(
        metrics_settings, held, reader, neurons, text, watched, probe_settings
    )
    stream = schedules.Schedule.read(schedule)
    cadence = training.Cadence(evaluate_every, branch_at, save_seconds, resume)
    trainer = training.Trainer(stream, store, None, optimizer, numerics, evaluator, cadence)
    kept = cadence.folder / "kept"

    def keep(network: PreTrainedModel, moments: torch.optim.AdamW, step: int) -> None:
        if step in checkpoints:
            with files.whole(kept / "checkpoints" / f"step-{step:06d}") as part:
                models.save(network, part)
        if step == branch_at:
            with files.whole(kept / "state") as part:
                adamw.save_state(part, network, moments)

    outputs = [out_checkpoints, out_state, out_steps, out_heads]
    with parallel.group(), training.claim(cadence.folder):
        if training.taken_up(cadence.folder, outputs):
            return
        network = models.create(
            model, start[0] if start else None, encoding.size(reader), store.context, numerics.attention
        )
        moments = adamw.make_optimizer(network, optimizer, numerics.acceleration)
        trainer.follow(network, moments, 0, steps, keep, {*checkpoints, branch_at})
        if parallel.rank() > 0:
            return
        with saves.finishing(cadence.folder, outputs) as (to_checkpoints, to_state, to_steps, to_heads):
            saves.link(kept / "checkpoints", to_checkpoints)
            saves.link(kept / "state", to_state)
            evaluations.write_records(trainer.records, to_steps, to_heads)


if __name__ == "__main__":
    cli.run(train)
