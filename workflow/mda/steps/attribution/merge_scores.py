"""Join the shards of scores into one table."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mda.evidence import score_notes
from mda.runtime import cli, files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Lines of a row group at least, where there are so many.
TOGETHER = 2**18


def merge(
    shards: list[Path], train_rows: Path, samples: int | None, blocks: dict[str, list[str]], out: Path
) -> None:
    """Write `out`: the shards' rows, with the label of each sample, by target and place in the run.

    There must be `samples` of each target; None is one for each row. `blocks` are those that count for each
    target. What a reader must know, of blocks that count 0 and
    scores that are all equal, is logged. The table's metadata has it too (`mda.evidence.score_notes.notes`).
    No more than a shard, what overlaps it, and the labels are held at once.

    Raises:
        UserError: when some target has not exactly `samples` scores, one is not finite, or
            those of all targets are zero.
    """
    labels = files.read_words(train_rows, "label")
    counts, ends, begins = _looked_through(shards)
    wanted = len(labels) if samples is None else samples
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
    tables = (table for target in notes for table in _together(_in_order(begins, target)))
    labelled = (
        table.append_column("label", labels.take(table.column("row").combine_chunks()).cast(pa.string()))
        for table in tables
    )
    files.write_tables(out, (score_notes.with_notes(table, notes) for table in labelled))


def _looked_through(
    shards: Sequence[Path],
) -> tuple[dict[str, int], dict[str, dict[str, score_notes.Ends]], dict[Path, int]]:
    """How many scores each target has, the ends of each of its columns, and the first step of each shard."""
    counts: dict[str, int] = {}
    ends: dict[str, dict[str, score_notes.Ends]] = {}
    begins: dict[Path, int] = {}
    for shard in shards:
        table = files.read_table(shard)
        begins[shard] = pc.min(table.column("step")).as_py()
        for target in pc.unique(table.column("target")).to_pylist():
            mine = table.filter(pc.equal(table.column("target"), target))
            if not pc.all(pc.is_finite(mine.column("influence"))).as_py():
                raise UserError(
                    f"scores: some influence on target {target} is not finite; delete the folder "
                    "scores/shards, set attribution.floor to 1.0e-5 and run again"
                )
            counts[target] = counts.get(target, 0) + mine.num_rows
            known = ends.setdefault(target, {})
            for name in mine.column_names:
                if name not in ("step", "row", "target"):
                    known[name] = known.get(name, score_notes.NONE).with_those_of(mine.column(name))
    return counts, ends, begins


def _in_order(begins: Mapping[Path, int], target: str) -> Iterator[pa.Table]:
    """A target's scores by step and row, in parts, each as soon as no shard can have any before its last."""
    shards = sorted(begins, key=lambda shard: begins[shard])
    held: list[pa.Table] = []
    for place, shard in enumerate(shards):
        held.append(files.read_where(shard, "target", target))
        ordered = pa.concat_tables(held).sort_by([("step", "ascending"), ("row", "ascending")])
        if place + 1 == len(shards):
            yield ordered
            return
        over = pc.sum(pc.less(ordered.column("step"), begins[shards[place + 1]])).as_py() or 0
        yield ordered.slice(0, over)
        held = [ordered.slice(over)]


def _together(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same lines in fewer tables: many small row groups are slow to read."""
    kept: list[pa.Table] = []
    for part in parts:
        kept.append(part)
        if sum(map(len, kept)) >= TOGETHER:
            yield pa.concat_tables(kept)
            kept = []
    if kept:
        yield pa.concat_tables(kept)


if __name__ == "__main__":
    cli.run(merge)
