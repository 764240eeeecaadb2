"""Select the top fraction of the window's samples by one method."""

import functools
import logging
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import score_parts, statistics
from mda.interventions import candidates, own_scores, selection
from mda.runtime import cli, database, external_files, parquet
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def select(
    method: str,
    fraction: float,
    schedule: Path,
    train: Path,
    train_rows: Path,
    tokenizer: Path,
    window: sections.Window,
    target: str | None,
    outcome: str | None,
    draw: int | None,
    scores: list[Path],
    matched: list[Path],
    seed: int,
    characters: int,
    out: Path,
    own: str | None = None,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`: rank, score, row, step, label, excerpt of the selected samples.

    Methods: influence by some curvature on `target`, 'loss' (highest first) and the controls read
    the one table in `scores`; the draws `draw` of 'random' and 'subset' read none, nor does 'matched',
    which has the labels of the selection `matched`. Of several tables in `scores` (influence at several
    checkpoints) it is the mean of their standardized scores. 'trajectory' and 'history' read the scores of
    `outcome`, 'own' the user's table `own`, which held `content` when the run was planned.
    All select the same number among the samples that the base run reads inside the window; 'outside' as many
    among those it reads outside.
    """
    batches = functools.partial(candidates.read, schedule, window)
    inside = sum(len(batch) for batch in batches())
    number = selection.count(inside, fraction)
    outside = method == "outside"
    if outside and parquet.lines_of(schedule) - inside < number:
        raise UserError(
            f"studies.time.swap needs {number} samples outside of the window, but the run reads only "
            f"{parquet.lines_of(schedule) - inside} there; set it to false, or shorten run.window"
        )
    stream = _with_ties(batches(outside), seed)
    drawn = draw is not None and outcome is None
    if own is not None:
        external_files.check([Path(own)], content)
    elif drawn:
        assert draw is not None
        stream = _with_draws(stream, selection.draws(method, seed, draw))
    reader, store = tokens.load_tokenizer(tokenizer), TokenStore(train)
    with database.beside(out) as data:
        if own is not None:
            asked = [own_scores.keep(data, Path(own))]
        else:
            asked = [] if drawn else _asked(method, target, outcome, scores)
        found = candidates.labelled(candidates.by_row(data, stream, asked), train_rows)
        able = database.table(data.keep("candidates", found))
        value = _value(data, able, len(asked))
        if own is not None:
            # Samples that it does not name come last.
            value = f"coalesce({value}, '-infinity'::double)"
        _check(data, f"(select {value} as value from {able})", number, method, own)
        by_label = method == "matched"
        chosen = _matched(data, able, matched[0]) if by_label else _top(data, able, value, number)
        parquet.write_tables(out, _tables(chosen, store, reader, characters))


def _tables(
    chosen: Iterator[pa.RecordBatch], store: TokenStore, reader, characters: int
) -> Iterator[pa.Table]:
    """The selection, in parts that say what each sample is."""
    begin = 1
    for part in chosen:
        step, rows, values = (part.column(name).to_numpy() for name in ("step", "row", "value"))
        texts = _excerpts(store, rows, reader, characters)
        yield selection.table(begin, step, rows, values, part.column("label").to_pylist(), texts)
        begin += len(part)


def _excerpts(store: TokenStore, rows: np.ndarray, reader, characters: int) -> list[str]:
    return [
        selection.excerpt(text, characters)
        for part in store.tokens_of(rows)
        # A character has at most four bytes, and a token at least one.
        for text in reader.decode_batch(
            [row[: 4 * characters].tolist() for row in part], skip_special_tokens=True
        )
    ]


def _with_ties(batches: Iterator[pa.RecordBatch], seed: int) -> Iterator[pa.RecordBatch]:
    ties = selection.ties(seed)
    return (batch.append_column("tie", pa.array(ties.random(len(batch)))) for batch in batches)


def _with_draws(batches: Iterator[pa.RecordBatch], values: np.random.Generator) -> Iterator[pa.RecordBatch]:
    return (batch.append_column("value", pa.array(values.random(len(batch)))) for batch in batches)


def _asked(
    method: str, target: str | None, outcome: str | None, scores: list[Path]
) -> list[candidates.Scores]:
    if outcome is not None:
        return [candidates.Scores(scores[0], "score", "outcome", outcome)]
    return [candidates.scores(method, target, path) for path in scores]


def _value(data: database.Database, able: str, scores: int) -> str:
    """What candidates are ranked by: of several scores the mean of the standardized.

    Each checkpoint counts the same, however large its influence is.
    """
    if scores < 2:
        return "value_0" if scores else "value"
    parts = [_standardized(data, able, f"value_{place}") for place in range(scores)]
    return f"({' + '.join(parts)}) / {scores}"


def _standardized(data: database.Database, able: str, column: str) -> str:
    """A column less its mean, in standard deviations; of equal numbers, zeros."""

    def numbers() -> Iterator[np.ndarray]:
        return _numbers(data, f"select {column} from {able} where {column} is not null")

    count = max(1, sum(map(len, numbers())))
    # Exact sums, whatever the order in which the numbers come.
    mean = math.fsum(number for part in numbers() for number in part.tolist()) / count
    squares = math.fsum(number for part in numbers() for number in np.square(part - mean).tolist())
    return f"({column}::double - {mean!r}::double) / {math.sqrt(squares / count) or 1.0!r}::double"


def _numbers(data: database.Database, query: str) -> Iterator[np.ndarray]:
    return (part.column(0).to_numpy().astype(np.float64) for part in data.ask(query))


def _check(data: database.Database, values: str, number: int, method: str, own: str | None) -> None:
    """Make sure that every candidate has a score, and tell of scores that are all equal."""
    count, scored, finite, low, high = data.line(
        "select count(*), count(value), count(*) filter (isfinite(value)), min(value), max(value) "
        f"from {values}"
    )
    if own is not None:
        own_scores.check_enough(finite, count, number, Path(own))
    elif scored < count:
        raise UserError("some candidates have no score; delete the folder scores and run again")
    elif method not in selection.STREAMS and statistics.constant(np.array([low, high])):
        log.warning("all %d scores by %s are equal: what is selected is at random", count, method)


def _top(data: database.Database, able: str, value: str, number: int) -> Iterator[pa.RecordBatch]:
    """The candidates of highest value, the highest first, ties at random: step, row, value, label."""
    # What is sorted is no more than may be among them.
    bound = score_parts.highest(lambda: _numbers(data, f"select ({value})::double from {able}"), number)
    return data.ask(
        f"select step, row, {value} as value, label from {able} where ({value})::double >= $1 "
        f"order by value desc, tie limit {number}",
        [bound],
    )


def _matched(data: database.Database, able: str, selected: Path) -> Iterator[pa.RecordBatch]:
    """As many candidates of each label as the rows of a selection have, those of the lowest value."""
    left: Counter[str] = Counter()
    for batch in parquet.read_batches(selected, ["label"]):
        left.update(batch.column("label").to_pylist())
    for batch in data.ask(f"select step, row, value, label from {able} order by label, value"):
        kept = []
        for label in batch.column("label").to_pylist():
            kept.append(left[label] > 0)
            left[label] -= 1
        yield batch.filter(pa.array(kept))


if __name__ == "__main__":
    cli.run(select)
