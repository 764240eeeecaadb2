"""How close is influence by approximate curvatures to influence by the exact one?"""

from pathlib import Path

import numpy as np
import pandas as pd

from mda.attribution import exact, factor_files, influence, passes, queries, watching
from mda.config import sections, unit_sections
from mda.config.study_sections import Exact
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables, score_table
from mda.models import model as models
from mda.models import units
from mda.runtime import cli, external_files
from mda.runtime.errors import UserError
from mda.studies.exact import table
from mda.training import schedule as schedules


def make(
    checkpoint: Path,
    tokenizer: Path,
    train: Path,
    schedule: Path,
    targets: Path,
    scores: list[Path],
    curvatures: list[str],
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    fit: sections.Fit,
    settings: Exact,
    numerics: sections.Numerics,
    damping: float,
    floor: float | None,
    steps: tuple[int, int],
    confidence: float,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`: `table.correlations` of every target, by the curvatures of the same blocks.

    `probe_files` are the users' own sources, noted in `out` with their hashes; `content` is that of the
    probes' data when the run was planned.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    stream = schedules.Schedule.read(schedule).between(*steps)
    chosen = np.random.default_rng([fit.seed, 8]).permutation(len(stream.row))[: settings.compared]
    rows, store = stream.row[np.sort(chosen)], TokenStore(train)
    model = models.load(checkpoint, numerics.attention)
    members = units.read_targets(targets)
    reader = tokens.load_tokenizer(tokenizer)
    blocks = watching.blocks_of(model, units.all_units(members))
    every = watching.all_blocks(blocks)
    for block in every:
        size = watching.weights(model, block).numel()
        if size > settings.largest_block:
            raise UserError(
                f"studies.curvature.exact: block {block.name} has {size} weights, more than largest_block "
                f"{settings.largest_block}; raise it, or set exact to null"
            )
    fitted = np.concatenate([factor_files.rows(schedule, fit, part) for part in range(fit.parts)])
    even, odd = exact.matrices(
        model, every, passes.Rows(store, fitted), settings.draws, fit.seed, fit.batch_size
    )
    both = {name: (even[name] + odd[name]) / 2 for name in even}
    lines = []
    for target in target_settings:
        query = queries.of_target(
            target.name, members[target.name], probe_settings[target.probe], reader, store.context
        )
        mine = [blocks[unit][kind] for unit in members[target.name] for kind in target.blocks]
        probe = influence.finite(query, influence.probe_gradients(model, query, mine))
        sets = [exact.directions(matrix, probe, damping, floor) for matrix in (both, even, odd)]
        by_block = exact.influences(model, mine, passes.Rows(store, rows), sets, fit.batch_size)
        found = [np.sum(list(parts.values()), axis=0) for parts in by_block]
        scored = {
            name: score_table.influence_of(path, target.name, rows)
            for name, path in zip(curvatures, scores, strict=True)
        }
        lines += [
            {"target": target.name, **line}
            for line in table.correlations(found[0], (found[1], found[2]), scored, confidence)
        ]
    csv_tables.write(out, pd.DataFrame(lines))


if __name__ == "__main__":
    cli.run(make)
