"""Influence, loss and attention of every token of the samples that are shown: the ends of each target."""

import functools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.attribution import attention, curvature, factor_files, influence, queries
from mda.attribution.pass_saves import PassSaves
from mda.config import sections, unit_sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.interventions import repetition
from mda.models import model as models
from mda.models import units
from mda.runtime import cli, external_files, parquet

log = logging.getLogger(__name__)

SCHEMA = pa.schema(
    {
        "target": pa.string(),
        "side": pa.string(),
        "rank": pa.int64(),
        "row": pa.int64(),
        "step": pa.int64(),
        "label": pa.string(),
        "influence": pa.float32(),
        "loss": pa.float32(),
        "pieces": pa.list_(pa.string()),
        "token_influence": pa.list_(pa.float32()),
        "repeated": pa.list_(pa.int32()),
        "token_loss": pa.list_(pa.float32()),
        "attended": pa.list_(pa.int32()),
        "attention": pa.list_(pa.float32()),
        "received": pa.list_(pa.float32()),
    }
)

# Of the tokens that one attends to, those that are kept.
MOST = 3
# Of the scores.
SHOWN = ["row", "step", "label", "influence", "loss"]


def score(
    checkpoint: Path,
    tokenizer: Path,
    train: Path,
    targets: Path,
    factors: list[Path],
    scores: Path,
    fit: sections.Fit,
    damping: float,
    floor: float | None,
    numerics: sections.Numerics,
    samples: int,
    target_settings: list[unit_sections.Target],
    probe_settings: dict[str, unit_sections.Probe],
    probe_files: list[Path],
    shortest: int,
    save_seconds: float,
    resume: Path,
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`: for each target its `samples` of highest and of lowest influence, token by token.

    Columns: target; side ('top' or 'bottom') and rank on it (1 is the most extreme); row, step, label,
    influence and loss of the sample as in `scores`; and lists: pieces, the text of each of its
    tokens, which join to the sample's; token_influence of each but the last, which the model
    does not read, whose sum is the influence; repeated, for each piece the number of the repeated span of at
    least `shortest` tokens that it belongs to, or 0; token_loss of each but the first, in nats; and, empty
    for targets without heads, the parts of `attention.Attended`: attended, `MOST` places for each token but
    the last, one token's after another's, attention, their shares, and received. No sample is on both sides:
    of fewer samples there are fewer. `probe_files` are the users' own sources, noted in `out` with their
    hashes; `content` is that of the probes' data when the run was planned.
    A killed job goes on from its last save in `resume`.
    """
    del probe_files
    external_files.check(unit_sections.probe_data(probe_settings), content)
    found = units.read_targets(targets)
    reader, store = tokens.load_tokenizer(tokenizer), TokenStore(train)
    fitted = curvature.unflatten(factor_files.tensors(factors))

    saved = PassSaves(resume, save_seconds)

    def made(target: unit_sections.Target, own: PassSaves) -> pa.Table:
        shown = extremes(_lines(scores, target.name), samples)
        # A copy, which torch may share.
        rows = influence.Rows(store, np.array(shown.column("row")))
        probe = probe_settings[target.probe]
        query = queries.of_target(target.name, found[target.name], probe, reader, store.context)
        # A model a target, so that no more is kept than of its own blocks and samples.
        model = models.load(checkpoint, numerics.attention, numerics.attribution)
        tracker = influence.Tracker(model, query.units, fit.seed, [query], numerics.attribution)
        results = tracker.score(
            rows, fitted, fit.strategy, damping, fit.batch_size, floor, by_position=True, saved=own
        )
        texts = [text for part in store.tokens_of(rows.rows) for text in part]
        columns: dict[str, list] = {
            "pieces": [tokens.pieces(reader, text) for text in texts],
            "repeated": [repetition.repeated_spans(text, shortest) for text in texts],
            "token_influence": _by_token(target, shown, texts, next(results)[1]),
            **_attention(attention.passes(model, query.units, store, rows.rows, numerics.attribution)),
        }
        return _table(target, shown, columns)

    every = (saved.table(target.name, functools.partial(made, target)) for target in target_settings)
    # Parquet has another name for the members of lists.
    parquet.write_tables(out, (table.cast(SCHEMA) for table in every))
    saved.forget()


def _table(target: unit_sections.Target, shown: pa.Table, columns: dict[str, list]) -> pa.Table:
    scores = {name: shown.column(name) for name in shown.column_names}
    every = scores | columns | {"target": [target.name] * shown.num_rows}
    return pa.table({name: every[name] for name in SCHEMA.names}, schema=SCHEMA)


def _by_token(
    target: unit_sections.Target, shown: pa.Table, texts: list[np.ndarray], parts: dict[str, np.ndarray]
) -> list[np.ndarray]:
    values = np.stack([parts[block] for block in target.blocks]).sum(axis=0, dtype=np.float32)
    _tell(target.name, values, shown.column("influence").to_numpy())
    return [row[: len(text) - 1] for row, text in zip(values, texts, strict=True)]


def _attention(passed: Iterator[tuple[np.ndarray | None, np.ndarray]]) -> dict[str, list]:
    found: dict[str, list] = {"token_loss": [], "attended": [], "attention": [], "received": []}
    for pattern, losses in passed:
        found["token_loss"].append(losses)
        # A target without heads attends to nothing.
        told = attention.summary(np.empty((0, 0)) if pattern is None else pattern, MOST)
        found["attended"].append(told.places.ravel())
        found["attention"].append(told.shares.ravel())
        found["received"].append(told.received)
    return found


def _lines(path: Path, target: str) -> Iterator[pa.Table]:
    """What is shown of one target's scores, some lines at a time."""
    for batch in parquet.read_batches(path, ["target", *SHOWN]):
        mine = batch.filter(pc.equal(batch.column("target"), target))
        yield pa.Table.from_batches([mine]).select(SHOWN)


def extremes(scores: Iterable[pa.Table], samples: int) -> pa.Table:
    """The samples of highest influence, then those of lowest, of one target's scores in parts.

    Columns: side, rank, row, step, label, influence, loss. Ties go by place in the run, and a
    sample is on one side alone.
    """
    ends = functools.reduce(lambda kept, part: _ends(pa.concat_tables([kept, part]), samples), scores)
    number = min(samples, ends.num_rows // 2)
    order = _ordered(ends)
    # Of the lowest, the lowest first.
    kept = ends.take(np.concatenate([order[:number], order[::-1][:number]]))
    ranks = np.tile(np.arange(1, number + 1), 2)
    sides = pa.array(["top"] * number + ["bottom"] * number, pa.string())
    return kept.append_column("side", sides).append_column("rank", pa.array(ranks))


def _ends(scores: pa.Table, samples: int) -> pa.Table:
    """All that may be among the `samples` of highest or of lowest influence."""
    order = _ordered(scores)
    return (
        scores
        if len(order) <= 2 * samples
        else scores.take(np.concatenate([order[:samples], order[-samples:]]))
    )


def _ordered(scores: pa.Table) -> np.ndarray:
    """The lines by influence, the highest first, ties by place in the run."""
    return np.lexsort((scores["row"].to_numpy(), scores["step"].to_numpy(), -scores["influence"].to_numpy()))


def _tell(target: str, values: np.ndarray, influences: np.ndarray) -> None:
    off = np.abs(values.sum(axis=1, dtype=np.float64) - influences).max(initial=0)
    scale = np.abs(influences).max(initial=0)
    log.info(
        "%s: sums over tokens are the scores but for %.1g of the largest", target, off / max(scale, 1e-30)
    )


if __name__ == "__main__":
    cli.run(score)
