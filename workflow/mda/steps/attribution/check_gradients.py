"""Compare influence from the stored gradients of a checkpoint with influence by a pass over samples."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import torch

from mda.attribution import curvature, factor_files, influence, queries, stored_directions, stored_gradients
from mda.config import sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables
from mda.models import units
from mda.runtime import cli, external_files, files, parquet
from mda.studies.stored_gradients import table


def check(
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
    step: int,
    checked: int,
    fraction: float,
    confidence: float,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`: `table.sizes` of each target, on `checked` samples that are drawn by the seed of the fit.

    `gradients` and `samples` are the shards that the step `store_gradients` wrote, of the checkpoint `step`.
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
    cut_off = sum(pc.sum(batch.column(0)).as_py() or 0 for path in samples
                  for batch in parquet.read_batches(path, ["cut_off"]))  # fmt: skip
    by_share = {
        share: stored_gradients.influences(found_directions, bases, kept, [stored], share)
        for share in table.SHARES
    }
    lines: list[dict] = []
    for number, target in enumerate(target_settings):
        names = [block.name for unit in found[target.name] for block in tracker.blocks[unit].values()]
        own = [kept[name] for name in names]
        whole = sum(_norm(fitted, name) for name in names)
        lines += table.sizes(
            {"target": target.name, "checkpoint": step, "cut_off": cut_off},
            _influence(exact[number], target),
            {share: _influence(parts[number], target) for share, parts in by_share.items()},
            {share: _numbers(own, share) for share in by_share},
            {share: _numbers(kept.values(), share) for share in by_share},
            {share: _held(own, share) / whole if whole else np.nan for share in by_share},
            fraction,
            confidence,
        )
    csv_tables.write(out, pd.DataFrame(lines))


def _numbers(blocks: Iterable[stored_directions.Kept], share: float) -> int:
    return sum(stored_directions.used(block, share) for block in blocks)


def _held(blocks: Iterable[stored_directions.Kept], share: float) -> float:
    """Mean squared norm of the fitted samples' gradients in a share of the stored directions, in nats²."""
    return sum(float(each.eigenvalues[: stored_directions.used(each, share)].sum()) for each in blocks)


def _norm(fitted: curvature.Factors, block: str) -> float:
    """The same in all directions."""
    total, count = (fitted[name][block] for name in ("lambda_matrix", "num_lambda_processed"))
    return float(total.sum(dtype=torch.float64) / count)


def _influence(parts: dict[str, np.ndarray], target: unit_sections.Target) -> np.ndarray:
    return np.sum([parts[block] for block in target.blocks], axis=0)


def _drawn(
    gradients: list[Path], samples: list[Path], number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some samples, and their lines of the store; no shard is held."""
    counts = [parquet.lines_of(path) for path in samples]
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
    cli.run(check)
