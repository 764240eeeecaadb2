"""Join the shards of scores into one table."""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mda.evidence import score_notes
from mda.runtime import cli, files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def merge(
    shards: list[Path], train_rows: Path, samples: int, blocks: dict[str, list[str]], out: Path
) -> None:
    """Write `out`: the shards' rows, with the label of each sample, by target and place in the run.

    `blocks` are those that count for each target. What a reader must know, of blocks that count 0 and
    scores that are all equal, is logged. The table's metadata has it too (`mda.evidence.score_notes.notes`).

    Raises:
        UserError: when some target has not exactly `samples` scores, one is not finite, or
            those of all targets are zero.
    """
    table = pa.concat_tables([files.read_table(shard) for shard in shards])
    labels = files.read_table(train_rows, columns=["label"]).column("label").cast(pa.string())
    table = table.append_column("label", labels.take(table.column("row")))
    notes: dict[str, list[str]] = {}
    zero = []
    influence = [("influence", what) for what in ("count", "min", "max")]
    for found in table.group_by("target").aggregate(influence).sort_by("target").to_pylist():
        target, count = found["target"], found["influence_count"]
        mine = table.filter(pc.equal(table.column("target"), target))
        if not pc.all(pc.is_finite(mine.column("influence"))).as_py():
            raise UserError(
                f"scores: some influence on target {target} is not finite; delete the folder scores/shards, "
                "set attribution.floor to 1.0e-5 and run again"
            )
        if count != samples:
            raise UserError(
                f"scores: target {target} has {count} of {samples} samples; delete the folder "
                "scores/shards and run again"
            )
        zero.append(found["influence_min"] == found["influence_max"] == 0)
        notes[target] = score_notes.sentences(mine, blocks[target])
    if all(zero):
        raise UserError(
            f"scores: every influence on {', '.join(notes)} is zero, so no probe depends on the blocks of "
            "its mode, or no sample has a gradient there; choose another probe, mode or checkpoint"
        )
    for target, sentence in ((target, sentence) for target, told in notes.items() for sentence in told):
        log.warning("target %s: %s", target, sentence)
    table = score_notes.with_notes(table, notes)
    order = [("target", "ascending"), ("step", "ascending"), ("row", "ascending")]
    files.write_table(out, table.sort_by(order))


if __name__ == "__main__":
    cli.run(merge)
