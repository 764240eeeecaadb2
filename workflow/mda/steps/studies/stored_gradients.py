"""How close is influence from stored gradients to influence by a pass over the samples?"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from mda.attribution import curvature, factor_files, influence, queries, stored_directions, stored_gradients
from mda.config import sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables
from mda.models import units
from mda.runtime import cli, external_files, files, parquet
from mda.studies.stored_gradients import table


def make(
    checkpoint: Path,
    tokenizer: Path,
    train: Path,
    targets: Path,
    factors: list[Path],
    directions: Path,
    gradients: list[Path],
    samples: list[Path],
    fit: sections.Fit,
    damping: float,
    floor: float | None,
    numerics: sections.Numerics,
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    checked: int,
    fraction: float,
    confidence: float,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`: `table.sizes` of each target, on `checked` samples that are drawn by the seed of the fit.

    `gradients` and `samples` are the shards that the step `store_gradients` wrote.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    rows, stored = _drawn(gradients, samples, checked, fit.seed)
    found, store = units.read_targets(targets), TokenStore(train)
    tracker = queries.tracker(
        checkpoint, tokenizer, found, target_settings, probe_settings, store.context, fit.seed, numerics
    )
    fitted = curvature.unflatten(factor_files.tensors(factors))
    kept = stored_directions.read_directions(directions)
    found_directions = tracker.directions(fitted, fit.strategy, damping, floor)
    _, exact = tracker.along(found_directions, influence.Rows(store, rows), fit.batch_size)
    bases = curvature.bases_of(tracker.model, fitted)
    by_share = {
        share: stored_gradients.influences(found_directions, bases, kept, [stored], share)
        for share in table.SHARES
    }
    lines: list[dict] = []
    for number, target in enumerate(target_settings):
        own = [kept[block.name] for unit in found[target.name] for block in tracker.blocks[unit].values()]
        lines += table.sizes(
            target.name,
            _influence(exact[number], target),
            {share: _influence(parts[number], target) for share, parts in by_share.items()},
            {share: _numbers(own, share) for share in by_share},
            {share: _numbers(kept.values(), share) for share in by_share},
            fraction,
            confidence,
        )
    csv_tables.write(out, pd.DataFrame(lines))


def _numbers(blocks: Iterable[stored_directions.Kept], share: float) -> int:
    return sum(stored_directions.used(block, share) for block in blocks)


def _influence(parts: dict[str, np.ndarray], target: unit_sections.Target) -> np.ndarray:
    return np.sum([parts[block] for block in target.blocks], axis=0)


def _drawn(
    gradients: list[Path], samples: list[Path], number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some samples, and their lines of the store; no shard is held."""
    counts = [pq.read_metadata(path).num_rows for path in samples]
    total = sum(counts)
    chosen = np.random.default_rng([seed, 9]).choice(total, min(number, total), replace=False, shuffle=False)
    chosen.sort()
    rows, lines = [], []
    for values, path, end, count in zip(gradients, samples, np.cumsum(counts), counts, strict=True):
        mine = chosen[(chosen >= end - count) & (chosen < end)] - (end - count)
        if len(mine):
            rows.append(parquet.read_table(path, ["row"]).column("row").to_numpy()[mine])
            lines.append(files.map_array(values)[mine])
    return np.concatenate(rows), np.concatenate(lines)


if __name__ == "__main__":
    cli.run(make)
