"""Join the shards of scores into one table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mda import cli, files
from mda.errors import UserError


def merge(shards: list[Path], train_rows: Path, samples: int, out: Path) -> None:
    """Write `out`: the shards' rows, with the label of each sample, by target and place in the run.

    Raises:
        UserError: when some target has not exactly `samples` scores, one is not finite, or
            all are zero.
    """
    table = pa.concat_tables([files.read_table(shard) for shard in shards])
    labels = files.read_table(train_rows, columns=["label"]).column("label").cast(pa.string())
    table = table.append_column("label", labels.take(table.column("row")))
    if not pc.all(pc.is_finite(table.column("influence"))).as_py():
        raise UserError("scores: some influence is not finite; raise attribution.damping")
    influence = [("influence", what) for what in ("count", "min", "max")]
    for found in table.group_by("target").aggregate(influence).sort_by("target").to_pylist():
        target, count = found["target"], found["influence_count"]
        if count != samples:
            raise UserError(
                f"scores: target {target} has {count} of {samples} samples; delete the folder "
                "scores/shards and run again"
            )
        if found["influence_min"] == found["influence_max"] == 0:
            raise UserError(
                f"scores: every influence on target {target} is zero, so its probe does not depend on the "
                "blocks of its mode; choose another probe, mode or checkpoint"
            )
    order = [("target", "ascending"), ("step", "ascending"), ("row", "ascending")]
    files.write_table(out, table.sort_by(order))


if __name__ == "__main__":
    cli.run(merge)
