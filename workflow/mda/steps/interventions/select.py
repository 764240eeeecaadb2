"""Select the top fraction of the window's samples by one method."""

import functools
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import statistics
from mda.interventions import own_scores, selection
from mda.planning.controls import CONTROLS
from mda.runtime import cli, database, external_files, files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


class Scores(NamedTuple):
    """A column of a table that has a line for each row, once only those are left that have `wanted` in `column`."""

    path: Path
    value: str
    column: str | None = None
    wanted: str | None = None


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
    batches = functools.partial(_candidates, schedule, window)
    inside = sum(len(batch) for batch in batches())
    number = selection.count(inside, fraction)
    outside = method == "outside"
    if outside and files.lines_of(schedule) - inside < number:
        raise UserError(
            f"studies.time.swap needs {number} samples outside of the window, but the run reads only "
            f"{files.lines_of(schedule) - inside} there; set it to false, or shorten run.window"
        )
    stream = _with_ties(batches(outside), seed)
    drawn = draw is not None and outcome is None
    if own is not None:
        external_files.check([Path(own)], content)
        stream = _with_values(stream, own_scores.read(Path(own)))
    elif drawn:
        assert draw is not None
        stream = _with_values(stream, selection.draws(method, seed, draw))
    reader, store = tokens.load_tokenizer(tokenizer), TokenStore(train)
    with database.beside(out) as data:
        data.give("stream", stream)
        if own is not None or drawn:
            data.make("candidates", "select * from stream")
        else:
            _join(data, _values(method, target, outcome, scores))
        _check(data, number, method, own)
        labels = f"(select file_row_number, label from {database.table(train_rows)})"
        chosen = _matched(data, matched[0], labels) if method == "matched" else _top(data, number, labels)
        files.write_tables(out, _tables(chosen, store, reader, characters))


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


def _candidates(schedule: Path, window: sections.Window, outside: bool = False) -> Iterator[pa.RecordBatch]:
    """Steps and rows of the samples that the run reads inside the window, or outside, in its order."""
    for batch in files.read_batches(schedule, ["step", "row"]):
        step = batch.column("step").to_numpy()
        inside = (step >= window.start) & (step < window.stop)
        yield batch.filter(pa.array(inside != outside))


def _with_ties(batches: Iterator[pa.RecordBatch], seed: int) -> Iterator[pa.RecordBatch]:
    ties = selection.ties(seed)
    return (batch.append_column("tie", pa.array(ties.random(len(batch)))) for batch in batches)


def _with_values(
    batches: Iterator[pa.RecordBatch], values: np.random.Generator | pd.Series
) -> Iterator[pa.RecordBatch]:
    """With draws, or with scores by row."""
    for batch in batches:
        if isinstance(values, np.random.Generator):
            found = values.random(len(batch))
        else:
            found = own_scores.of(values, batch.column("row").to_numpy())
        yield batch.append_column("value", pa.array(found))


def _values(method: str, target: str | None, outcome: str | None, scores: list[Path]) -> list[Scores]:
    if outcome is not None:
        return [Scores(scores[0], "score", "outcome", outcome)]
    if method in CONTROLS:
        return [Scores(scores[0], "score")]
    column = "loss" if method == "loss" else "influence"
    # The loss of a sample is the same in the scores of every target.
    wanted = target or next(files.read_batches(scores[0], ["target"])).column("target")[0].as_py()
    return [Scores(path, column, "target", wanted) for path in scores]


def _join(data: database.Database, scores: list[Scores]) -> None:
    """Make the table `candidates`: step, row, tie, value."""
    joins, given = [], []
    for place, one in enumerate(scores):
        where = "" if one.column is None else f"where {one.column} = ${len(given) + 1}"
        given += [] if one.column is None else [one.wanted]
        joins.append(
            f"left join (select row, {one.value} as value_{place} from {database.table(one.path)} {where}) "
            "using (row)"
        )
    data.make("joined", f"select * from stream {' '.join(joins)}", given)
    value = "value_0"
    if len(scores) > 1:
        # Each checkpoint counts the same, however large its influence is.
        parts = [_standardized(data, f"value_{place}") for place in range(len(scores))]
        value = f"({' + '.join(parts)}) / {len(scores)}"
    data.make("candidates", f"select step, row, tie, {value} as value from joined")
    data.drop("joined")


def _standardized(data: database.Database, column: str) -> str:
    """A column less its mean, in standard deviations; of equal numbers, zeros."""

    def numbers() -> Iterator[np.ndarray]:
        parts = data.ask(f"select {column} from joined where {column} is not null")
        return (part.column(0).to_numpy().astype(np.float64) for part in parts)

    count = sum(map(len, numbers()))
    # Exact sums, whatever the order in which the numbers come.
    mean = math.fsum(number for part in numbers() for number in part.tolist()) / max(count, 1)
    squares = math.fsum(number for part in numbers() for number in np.square(part - mean).tolist())
    spread = math.sqrt(squares / max(count, 1)) or 1.0
    return f"({column}::double - {mean!r}::double) / {spread!r}::double"


def _check(data: database.Database, number: int, method: str, own: str | None) -> None:
    """Make sure that every candidate has a score, and tell of scores that are all equal."""
    count, known, low, high = data.line(
        "select count(*), count(*) filter (isfinite(value)), min(value), max(value) from candidates "
        "where value is not null"
    )
    if own is not None:
        own_scores.check_enough(known, count, number, Path(own))
    elif data.line("select count(*) from candidates where value is null") != (0,):
        raise UserError("some candidates have no score; delete the folder scores and run again")
    if method in selection.STREAMS or own is not None:
        return
    if statistics.constant(np.array([low, high])):
        log.warning("all %d scores by %s are equal: what is selected is at random", count, method)


def _top(data: database.Database, number: int, labels: str) -> Iterator[pa.RecordBatch]:
    """The candidates of highest value, the highest first, ties at random: step, row, value, label."""
    return data.ask(
        "select step, row, value, label from "
        f"(select * from candidates order by value desc, tie limit {number}) "
        f"join {labels} on row = file_row_number order by value desc, tie"
    )


def _matched(data: database.Database, selected: Path, labels: str) -> Iterator[pa.RecordBatch]:
    """As many candidates of each label as the rows of a selection have, those of the lowest value."""
    data.make("wanted", f"select label, count(*) as wanted from {database.table(selected)} group by label")
    ordered = data.ask(
        f"select step, row, value, label, wanted from candidates join {labels} on row = file_row_number "
        "join wanted using (label) order by label, value"
    )
    before: tuple[str | None, int] = (None, 0)
    for batch in ordered:
        label = np.array(batch.column("label").to_pylist(), object)
        begins = np.flatnonzero(np.append(True, label[1:] != label[:-1]))
        place = np.arange(len(label)) - np.repeat(begins, np.diff(begins, append=len(label)))
        # A label goes on from the piece before.
        place[: begins[1] if len(begins) > 1 else None] += before[1] if label[0] == before[0] else 0
        before = label[-1], int(place[-1]) + 1
        yield batch.filter(pa.array(place < batch.column("wanted").to_numpy()))


if __name__ == "__main__":
    cli.run(select)
if __name__ == "__main__":
    cli.run(select)
