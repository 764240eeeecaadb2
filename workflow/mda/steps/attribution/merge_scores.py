"""Join the shards of scores into one table."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mda.evidence import score_notes
from mda.runtime import cli, database, parquet
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def merge(
    shards: list[Path], train_rows: Path, samples: int | None, blocks: dict[str, list[str]], out: Path
) -> None:
    """Write `out`: the shards' rows, with the label of each sample, by target and place in the run.

    There must be `samples` of each target; None is one for each row. `blocks` are those that count for each
    target. What a reader must know, of blocks that count 0 and
    scores that are all equal, is logged. The table's metadata has it too (`mda.evidence.score_notes.notes`).

    Raises:
        UserError: when some target has not exactly `samples` scores, one is not finite, or
            those of all targets are zero.
    """
    counts, ends = _looked_through(shards)
    wanted = parquet.lines_of(train_rows) if samples is None else samples
    notes: dict[str, list[str]] = {}
    for target, count in sorted(counts.items()):
        if count != wanted:
            raise UserError(
                f"scores: target {target} has {count} of {wanted} samples; delete the folder "
                "scores/shards and run again"
            )
        notes[target] = score_notes.sentences(ends[target], count, blocks[target])
    if all(found["influence"] == (0, 0) for found in ends.values()):
        raise UserError(
            f"scores: every influence on {', '.join(notes)} is zero, so no probe depends on the blocks of "
            "its mode, or no sample has a gradient there; choose another probe, mode or checkpoint"
        )
    for target, sentence in ((target, sentence) for target, told in notes.items() for sentence in told):
        log.warning("target %s: %s", target, sentence)
    with database.beside(out) as data:
        by_row = data.ask(f"select * from {database.tables(shards)} order by row, target, step")
        labelled = database.looked_up(by_row, database.numbered(train_rows, ["label"]), "row")
        kept = data.keep("labelled", labelled)
        ordered = data.ask(f"select * from {database.table(kept)} order by target, step, row")
        tables = (pa.Table.from_batches([batch]) for batch in ordered)
        parquet.write_tables(out, (score_notes.with_notes(table, notes) for table in tables))


def _looked_through(
    shards: Sequence[Path],
) -> tuple[dict[str, int], dict[str, dict[str, score_notes.Ends]]]:
    """How many scores each target has, and the ends of each of its columns."""
    counts: dict[str, int] = {}
    ends: dict[str, dict[str, score_notes.Ends]] = {}
    for batch in (
        batch for shard in shards for batch in parquet.read_batches(shard, parquet.columns_of(shard))
    ):
        for target in pc.unique(batch.column("target")).to_pylist():
            mine = batch.filter(pc.equal(batch.column("target"), target))
            if not pc.all(pc.is_finite(mine.column("influence"))).as_py():
                raise UserError(
                    f"scores: some influence on target {target} is not finite; delete the folder "
                    "scores/shards, set attribution.floor to 1.0e-5 and run again"
                )
            counts[target] = counts.get(target, 0) + mine.num_rows
            known = ends.setdefault(target, {})
            for name in mine.schema.names:
                if name not in ("step", "row", "target"):
                    known[name] = known.get(name, score_notes.NONE).with_those_of(mine.column(name))
    return counts, ends


if __name__ == "__main__":
    cli.run(merge)
