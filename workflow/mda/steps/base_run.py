"""Train the base model in its recorded order, keeping the listed checkpoints."""

import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel

from mda import cli, encoding, files, metrics, parallel, sections, sequences, tokens, training, units
from mda import model as models
from mda import schedule as schedules
from mda.tokens import TokenStore


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
    save_seconds: float,
    resume: Path,
    out_checkpoints: Path,
    out_state: Path,
    out_steps: Path,
    out_heads: Path,
) -> None:
    """Train, and write checkpoints, the state at which interventions branch, and the metrics.

    `start` has the checkpoint to start from, if there is one. `out_checkpoints` gets a folder
    `step-000000` a listed step, in Hugging Face format; `out_state` the full training state at
    the branching step; `out_steps` and `out_heads` the metrics by step (the activation of
    the watched `neurons` among them), and by step and head. A killed run goes on from `resume`
    and gives the numbers of an unbroken one.
    """
    reader = tokens.load_tokenizer(tokenizer)
    store, held = TokenStore(train), TokenStore(held_out)
    vocabulary = sequences.ordinary_tokens(reader)
    watched = [units.Neuron.parse(neuron) for neuron in neurons]
    evaluator = metrics.Evaluator(metrics_settings, held.tokens, vocabulary, parallel.device(), watched, text)
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
                training.save_state(part, network, moments)

    with parallel.group(), training.claim(cadence.folder):
        network = models.create(
            model, start[0] if start else None, encoding.size(reader), store.context, numerics.attention
        )
        trainer.follow(network, training.make_optimizer(network, optimizer), 0, steps, keep)
        if parallel.rank() > 0:
            return
        for name, out in (("checkpoints", out_checkpoints), ("state", out_state)):
            with files.whole(out) as part:
                shutil.copytree(kept / name, part)
        training.write_records(trainer.records, out_steps, out_heads)
        shutil.rmtree(resume, ignore_errors=True)


if __name__ == "__main__":
    cli.run(train)
