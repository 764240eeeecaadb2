"""Score one shard of the training samples for all targets, from stored gradients."""

from pathlib import Path

from mda.attribution import (
    curvature,
    factor_files,
    queries,
    score_shards,
    stored_directions,
    stored_gradients,
)
from mda.config import sections, unit_sections
from mda.models import units
from mda.runtime import cli, external_files, parquet


def score(
    checkpoint: Path,
    tokenizer: Path,
    targets: Path,
    factors: list[Path],
    directions: Path,
    gradients: Path,
    samples: Path,
    context: int,
    fit: sections.Fit,
    damping: float,
    floor: float | None,
    numerics: sections.Numerics,
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out` as the step `scores` does, but approximately, and without a pass over the samples.

    `gradients` and `samples` are what the step `store_gradients` wrote.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    found = units.read_targets(targets)
    tracker = queries.tracker(
        checkpoint, tokenizer, found, target_settings, probe_settings, context, fit.seed, numerics
    )
    fitted = curvature.unflatten(factor_files.tensors(factors))
    table, kept = parquet.read_table(samples), stored_directions.read_directions(directions)
    stored_directions.check_floor(kept, floor)
    parts = stored_gradients.influences(
        tracker.directions(fitted, fit.strategy, damping, floor),
        curvature.bases_of(tracker.model, fitted),
        kept,
        stored_directions.read(gradients, len(table), stored_directions.width(kept)),
    )
    results = zip(tracker.queries, parts, strict=True)
    loss = table.column("loss").to_numpy()
    step, rows = (table.column(name).to_numpy() for name in ("step", "row"))
    scored = ((query, {**own, "loss": loss}) for query, own in results)
    parquet.write_table(out, score_shards.table(scored, target_settings, step, rows))


if __name__ == "__main__":
    cli.run(score)
