"""Walk back through a training: how does its outcome depend on every sample?"""

from pathlib import Path

import numpy as np
import pandas as pd

from mda.attribution import asking, outcomes, trajectory
from mda.config import sections, trajectory_section, unit_sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.models import metrics, sequences, units
from mda.runtime import cli, external_files, parallel, parquet, saves
from mda.training import adamw, tape, training
from mda.training import schedule as schedules


def walk(
    tokenizer: Path,
    train: Path,
    held_out: Path,
    state: Path,
    schedule: Path,
    synthetic: list[Path],
    targets: Path,
    window: sections.Window,
    evaluate_every: int,
    optimizer: sections.Optimizer,
    numerics: sections.Numerics,
    metrics_settings: sections.Metrics,
    settings: trajectory_section.Trajectory,
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    save_seconds: float,
    keep_every: int,
    resume: Path,
    out: Path,
    out_curves: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Train from `state` along `schedule`, walk back, and write the score of every sample of the way.

    Columns of `out`, a line for each outcome and place of the schedule: outcome; step, update, slot, row and
    role, as in the schedule; score, the derivative of the outcome in the weight of the sample's loss, null of
    an update that was not made. `out_curves` has what the outcome measures at every evaluation, and how large
    its derivative in the weights is there. `synthetic` has the store of generated samples if the schedule
    inserts some; `keep_every` is the number of updates between kept states, 0 for as many as fit;
    `probe_files` and `content` are as in `scores`.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    reader, store = tokens.load_tokenizer(tokenizer), TokenStore(train)
    generated = TokenStore(synthetic[0]) if synthetic else None
    stream = schedules.Schedule.read(schedule).between(window.origin, window.stop)
    cadence = training.Cadence(evaluate_every, window.origin, save_seconds, resume)
    evaluator = metrics.Evaluator(
        metrics_settings, TokenStore(held_out).tokens, sequences.ordinary_tokens(reader), parallel.device()
    )
    trainer = training.Trainer(
        stream, store, generated, optimizer, trajectory.numerics_of(numerics), evaluator, cadence
    )
    outputs = [out, out_curves]
    with parallel.group(), training.claim(cadence.folder):
        if training.taken_up(cadence.folder, outputs):
            return
        model, moments = adamw.load_state(state, optimizer, numerics)
        model.train()
        done = tape.Tape(
            trainer,
            model,
            moments,
            tape.updates_of(stream),
            cadence.folder,
            keep_every or None,
            settings.vectors_beside,
        )
        ask = asking.Asking(
            model, evaluator, reader, store.context, units.read_targets(targets), probe_settings
        )
        by_name = {target.name: target for target in target_settings}
        wanted = [
            outcomes.Outcome(outcome.name, ask.measure(outcome, by_name), outcome.when, outcome.step)
            for outcome in settings.outcomes
        ]
        steps = outcomes.evaluated(window.origin, window.stop, evaluate_every)
        found = trajectory.Walk(done, wanted, steps, save_seconds).follow()
        if parallel.rank() > 0:
            return
        with saves.finishing(cadence.folder, outputs) as (to_scores, to_curves):
            parquet.write_table(to_scores, _scores(stream, wanted, found))
            parquet.write_table(to_curves, _curves(wanted, steps, done.updates, found))


def _scores(
    stream: schedules.Schedule, wanted: list[outcomes.Outcome], found: trajectory.Found
) -> pd.DataFrame:
    """A line for each outcome and place of the stream."""
    place = {
        "step": stream.step,
        "update": stream.update,
        "slot": stream.slot,
        "row": stream.row,
        "role": np.array(schedules.ROLES)[stream.role],
    }
    return pd.concat(
        [
            pd.DataFrame({"outcome": outcome.name, **place, "score": scores})
            for outcome, scores in zip(wanted, found.scores, strict=True)
        ],
        ignore_index=True,
    )


def _curves(
    wanted: list[outcomes.Outcome], steps: list[int], updates: list[tape.Update], found: trajectory.Found
) -> pd.DataFrame:
    """A line for each outcome and evaluation; the derivative is that before the step's first update."""
    before = np.searchsorted([update.step for update in updates], steps)
    parts = []
    for outcome, values, norms in zip(wanted, found.curves, found.norms, strict=True):
        # After the last update it is that of the measure alone, which no sample passes through.
        at = np.append(norms, np.nan)[before]
        parts.append(
            pd.DataFrame({"outcome": outcome.name, "step": steps, "value": values, "derivative": at})
        )
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    cli.run(walk)
