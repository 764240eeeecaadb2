"""Join the shards of scores into one table."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from mda import cli, files
from mda.errors import UserError


def merge(shards: list[Path], train_rows: Path, samples: int, out: Path) -> None:
    """Write `out`: the shards' rows, with the label of each sample, by target and place in the run.

    Raises:
        UserError: when some target has not exactly `samples` scores, one is not finite, or
            all are zero.
    """
    table = pa.concat_tables([files.read_table(shard) for shard in shards])
    labels = np.array(files.read_table(train_rows, columns=["label"]).column("label").to_pylist())
    table = table.append_column("label", pa.array(labels[table.column("row").to_numpy()]))
    targets, counts = np.unique(table.column("target").to_numpy(zero_copy_only=False), return_counts=True)
    for target, count in zip(targets, counts, strict=True):
        if count != samples:
            raise UserError(
                f"scores: target {target} has {count} of {samples} samples; delete the folder "
                "scores/shards and run again"
            )
    influence = table.column("influence").to_numpy()
    for target in targets:
        if not influence[table.column("target").to_numpy(zero_copy_only=False) == target].any():
            raise UserError(
                f"scores: every influence on target {target} is zero, so its probe does not depend on the "
                "blocks of its mode; choose another probe, mode or checkpoint"
            )
    if not np.isfinite(influence).all():
        raise UserError("scores: some influence is not finite; raise attribution.damping")
    order = [("target", "ascending"), ("step", "ascending"), ("row", "ascending")]
    files.write_table(out, table.sort_by(order))


if __name__ == "__main__":
    cli.run(merge)
