"""Train a branch of the base run along its schedule."""

from pathlib import Path

from mda.config import sections, unit_sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.runtime import cli, external_files, parallel, saves
from mda.training import adamw, evaluations, training, watched_probes
from mda.training import schedule as schedules


def retrain(
    tokenizer: Path,
    train: Path,
    held_out: Path,
    text: list[Path],
    state: Path,
    order: Path,
    changes: list[Path],
    synthetic: list[Path],
    window: sections.Window,
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
    out_steps: Path,
    out_heads: Path,
) -> None:
    """Branch from the base run's state, and write the metrics by step and by head.

    `changes` has what the branch changes in `order`, if it does (`schedule.read`), and
    `synthetic` the store of generated samples if it inserts some; `watched`, `probe_settings`,
    `probe_files` and `probe_content` are as in the base run.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), probe_content)
    reader = tokens.load_tokenizer(tokenizer)
    store, held = TokenStore(train), TokenStore(held_out)
    generated = TokenStore(synthetic[0]) if synthetic else None
    evaluator = watched_probes.evaluator(
        metrics_settings, held, reader, neurons, text, watched, probe_settings
    )
    stream = schedules.read(order, changes[0] if changes else None)
    cadence = training.Cadence(evaluate_every, window.origin, save_seconds, resume)
    trainer = training.Trainer(stream, store, generated, optimizer, numerics, evaluator, cadence)
    outputs = [out_steps, out_heads]
    with parallel.group(), training.claim(cadence.folder):
        if training.taken_up(cadence.folder, outputs):
            return
        network, moments = adamw.load_state(state, optimizer, numerics)
        trainer.follow(network, moments, window.origin, window.stop)
        if parallel.rank() > 0:
            return
        with saves.finishing(cadence.folder, outputs) as (to_steps, to_heads):
            evaluations.write_records(trainer.records, to_steps, to_heads)


if __name__ == "__main__":
    cli.run(retrain)
