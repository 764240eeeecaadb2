"""Score one shard of the training samples for all targets."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from mda.attribution import curvature, factor_files, influence, queries
from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import sequences, units
from mda.runtime import cli, files
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
    target_settings: list[sections.Target],
    probe_settings: dict[str, sections.Probe],
    probe_files: list[Path],
    shard: int,
    out: Path,
) -> None:
    """Write `out` with a line a sample and target.

    Columns: step and row of the sample in the base run; target; influence (positive: training
    on the sample strengthens the unit) and its parts by block (of heads qk, v, o, of neurons in,
    out; null for the others' blocks); loss of the sample in nats. Influence is the sum of the
    parts, in mode 'qk' of qk alone. `factors` are the files that the strategy needs. Shard n has the samples
    n * `samples` and on of the stream of `steps` (from, to before).
    `probe_files` are the users' own sources, noted in `out` with their hashes.
    """
    del probe_files
    step, rows = schedules.samples(schedule, steps, shard * samples, samples)
    found = units.read_targets(targets)
    vocabulary = sequences.ordinary_tokens(tokens.load_tokenizer(tokenizer))
    asked = [
        queries.of_target(target.name, found[target.name], probe_settings[target.probe], vocabulary)
        for target in target_settings
    ]
    model = models.load(checkpoint, numerics.attention)
    tracker = influence.Tracker(
        model, units.all_units(found), fit.seed, asked, precision=numerics.attribution
    )
    fitted = curvature.unflatten(factor_files.tensors(factors))
    tables = []
    blocks = {target.name: target.blocks for target in target_settings}
    results = tracker.score(
        influence.Rows(TokenStore(train), rows),
        fitted,
        fit.strategy,
        damping,
        fit.batch_size,
        floor,
    )
    for query, scores in results:
        counted = [scores[block] for block in blocks[query.target]]
        columns = {
            "step": step,
            "row": rows,
            "target": np.full(len(rows), query.target),
            "influence": np.sum(counted, axis=0, dtype=np.float32),
            **scores,
        }
        tables.append(pa.table(columns))
    # Heads and neurons have other blocks; a block that a unit lacks is null.
    files.write_table(out, pa.concat_tables(tables, promote_options="default"))


if __name__ == "__main__":
    cli.run(score)
