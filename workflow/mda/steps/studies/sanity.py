"""Do scores fail where they must fail?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from mda.attribution import asking, queries
from mda.attribution.passes import Rows
from mda.config import sections, trajectory_section, unit_sections
from mda.config.study_sections import Sanity
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables, score_table
from mda.models import units
from mda.runtime import cli, external_files, files, parquet
from mda.studies.sanity import by_influence, by_walk, checks, table
from mda.training import schedule as schedules
from mda.training import watched_probes

# Rows without a token that counts.
EMPTY_ROWS = 8


@dataclass(frozen=True)
class _Judge:
    """What makes lines of scores; `labels` are those of all rows of the store."""

    labels: np.ndarray
    seed: int
    fraction: float
    confidence: float

    def of_influence(
        self, target: str, found: by_influence.Found, scoring: by_influence.Scoring, scores: Path
    ) -> list[dict[str, Any]]:
        """The lines of influence; `scores` has that of every sample by the configured curvature."""
        rows = scoring.scored.rows
        known = score_table.influence_of(scores, target, rows)
        lines = {
            checks.SAME: table.same(found.real, known, self.confidence),
            **self._of_both(found, rows, found.real),
            checks.EMPTY: table.nothing(checks.EMPTY, found.empty, found.real),
        }
        return [table.line(target, "influence", *line) for line in lines.items()]

    def of_walks(self, target: str, found: by_walk.Found) -> list[dict[str, Any]]:
        """The lines of the derivative through training."""
        lines = {
            **self._of_both(found, found.rows, found.raw),
            checks.MASKED: table.nothing(checks.MASKED, found.change, found.raw),
            checks.LATER: table.nothing(checks.LATER, found.later, found.raw),
        }
        return [table.line(target, "trajectory", *line) for line in lines.items()]

    def _of_both(
        self, found: by_influence.Found | by_walk.Found, rows: np.ndarray, raw: np.ndarray
    ) -> dict[str, dict[str, Any]]:
        generator, labels = np.random.default_rng([self.seed, 12]), self.labels[rows]
        orders = (generator.permuted(np.arange(len(rows))) for _ in range(table.SHUFFLES))
        return {
            checks.OWN: table.randomized(found.real, found.own, labels, self.confidence),
            checks.EVERY: table.randomized(found.real, found.every, labels, self.confidence),
            checks.CONSTANT: table.nothing(checks.CONSTANT, found.constant, raw),
            checks.LABELS: table.shuffled(found.real, labels, orders, self.fraction, self.confidence),
        }


def make(
    checkpoint: Path,
    tokenizer: Path,
    train: Path,
    train_rows: Path,
    held_out: Path,
    state: Path,
    schedule: Path,
    targets: Path,
    scores: Path,
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    attribution: sections.Attribution,
    scoring_numerics: sections.Numerics,
    window: sections.Window,
    optimizer: sections.Optimizer,
    numerics: sections.Numerics,
    metrics_settings: sections.Metrics,
    fraction: float,
    confidence: float,
    settings: Sanity,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`, a line for each target, method and check: `table.line`.

    `state` is where walks begin, `scores` the influence of every sample. `probe_files` and `content` are as
    in `attribution.scores`.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    store, reader, members = TokenStore(train), tokens.load_tokenizer(tokenizer), units.read_targets(targets)
    stream = schedules.Schedule.read(schedule)
    labels = parquet.read_table(train_rows, columns=["label"]).column("label").to_numpy()
    judge = _Judge(labels, settings.seed, fraction, confidence)
    seeds = [int(each) for each in np.random.SeedSequence(settings.seed).generate_state(settings.draws)]
    with files.workplace(out) as work:
        scoring = by_influence.Scoring(
            checkpoint, scoring_numerics, attribution.fit, attribution.damping, attribution.floor,
            *(Rows(store, rows) for rows in _halves(stream.between(window.start, window.stop).row, settings)),
        )  # fmt: skip
        asked = queries.of_targets(target_settings, members, probe_settings, reader, store.context)
        empty = by_influence.empty_rows(store, EMPTY_ROWS, work / "empty.npy")
        scored = by_influence.found(scoring, target_settings, asked, seeds, empty)
        lines = [
            line for target, found in scored for line in judge.of_influence(target, found, scoring, scores)
        ]
        if settings.updates is not None:
            end = window.origin + settings.updates
            walking = by_walk.Walking(
                state, stream.between(window.origin, end + 1), end, store, optimizer, numerics, work
            )
            held = TokenStore(held_out)
            evaluator = watched_probes.evaluator(metrics_settings, held, reader, [], [], [], {})
            ask = asking.Asking(walking.start()[0], evaluator, reader, store.context, members, probe_settings)
            by_name = {target.name: target for target in target_settings}
            measures = [ask.measure(_outcome(target), by_name) for target in target_settings]
            own = [members[target.name] for target in target_settings]
            walked = by_walk.found(walking, target_settings, own, measures, seeds)
            lines += [line for target, found in walked for line in judge.of_walks(target, found)]
    csv_tables.write(out, pd.DataFrame(lines))


def _halves(rows: np.ndarray, settings: Sanity) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the curvature is fitted on, and others that are scored; at most half of the window each."""
    number = min(settings.samples, len(rows) // 2)
    drawn = np.random.default_rng([settings.seed, 11]).permutation(rows)[: 2 * number]
    return np.sort(drawn[:number]), np.sort(drawn[number:])


def _outcome(target: unit_sections.Target) -> trajectory_section.Outcome:
    """The target's metric after the updates."""
    measure: Literal["probe", "metric"] = "probe" if target.metric == "probe" else "metric"
    return trajectory_section.Outcome(name=target.name, measure=measure, target=target.name, when="end")


if __name__ == "__main__":
    cli.run(make)
