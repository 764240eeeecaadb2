"""Score one shard of the training samples for all targets."""

from pathlib import Path

from mda.attribution import curvature, factor_files, influence, queries, score_shards
from mda.attribution.pass_saves import PassSaves
from mda.config import sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.models import units
from mda.runtime import cli, external_files, parquet
from mda.training import schedule as schedules


def score(
    checkpoint: Path,
    tokenizer: Path,
    train: Path,
    schedule: Path,
    targets: Path,
    factors: list[Path],
    fit: sections.Fit,
    damping: float,
    floor: float | None,
    numerics: sections.Numerics,
    steps: tuple[int, int],
    samples: int,
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    shard: int,
    save_seconds: float,
    resume: Path,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out` with a line for each sample and target.

    Columns: step and row of the sample in the base run; target; influence (positive: training
    on the sample strengthens the unit) and its parts by block (of heads qk, v, o, of neurons in,
    out; null for the others' blocks); loss of the sample in nats. Influence is the sum of the
    parts, in mode 'qk' of qk alone. `factors` are the files that the strategy needs. Shard n has the samples
    n * `samples` and on of the stream of `steps` (from, to before).
    A killed job goes on from its last save in `resume`.
    `probe_files` are the users' own sources, noted in `out` with their hashes; `content` is that of the
    probes' data when the run was planned.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    step, rows = schedules.samples(schedule, steps, shard * samples, samples)
    found, store = units.read_targets(targets), TokenStore(train)
    tracker = queries.tracker(
        checkpoint, tokenizer, found, target_settings, probe_settings, store.context, fit.seed, numerics
    )
    saved = PassSaves(resume, save_seconds)
    fitted = curvature.unflatten(factor_files.tensors(factors))
    results = tracker.score(
        influence.Rows(store, rows),
        fitted,
        fit.strategy,
        damping,
        fit.batch_size,
        floor,
        saved=saved,
    )
    parquet.write_table(out, score_shards.table(results, target_settings, step, rows))
    saved.forget()


if __name__ == "__main__":
    cli.run(score)
