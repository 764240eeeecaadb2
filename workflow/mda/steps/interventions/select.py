"""Select the top fraction of the window's samples by one method."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import statistics
from mda.interventions import selection
from mda.runtime import cli, files
from mda.runtime.errors import UserError
from mda.training import schedule as schedules

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
) -> None:
    """Write `out`: rank, score, row, step, label, excerpt of the selected samples.

    Methods: influence by some curvature on `target`, 'loss' (highest first) and the controls read
    the one table in `scores`; the draws `draw` of 'random' and 'subset' read none, nor does 'matched',
    which has the labels of the selection `matched`. 'trajectory' and 'history' read the scores of `outcome`.
    All select the same number among the samples that the base run reads inside the window; 'outside' as many
    among those it reads outside.
    """
    order = schedules.Schedule.read(schedule)
    stream = order.between(window.start, window.stop)
    number = selection.count(len(stream.row), fraction)
    if method == "outside":
        stream = order.outside(window.start, window.stop)
        if len(stream.row) < number:
            raise UserError(
                f"studies.time.swap needs {number} samples outside of the window, but the run reads only "
                f"{len(stream.row)} there; set it to false, or shorten run.window"
            )
    labels = np.array(files.read_table(train_rows, columns=["label"]).column("label").to_pylist())
    if draw is None or outcome is not None:
        values = _values(method, target, outcome, scores, stream)
        if statistics.constant(values):
            log.warning("all %d scores by %s are equal: what is selected is at random", len(values), method)
    else:
        values = selection.random_scores(len(stream.row), method, seed, draw)
    if method == "matched":
        before = files.read_table(matched[0], columns=["row"]).column("row").to_numpy()
        chosen = selection.matched(labels[stream.row], np.flatnonzero(np.isin(stream.row, before)), values)
    else:
        chosen = selection.top(values, number, seed)
    rows = stream.row[chosen]
    reader = tokens.load_tokenizer(tokenizer)
    texts = [
        selection.excerpt(text, characters)
        for part in TokenStore(train).tokens_of(rows)
        # A character has at most four bytes, and a token at least one.
        for text in reader.decode_batch(
            [row[: 4 * characters].tolist() for row in part], skip_special_tokens=True
        )
    ]
    table = selection.table(stream.step[chosen], rows, values[chosen], labels[rows].tolist(), texts)
    files.write_table(out, table)


def _values(
    method: str, target: str | None, outcome: str | None, scores: list[Path], stream: schedules.Schedule
) -> np.ndarray:
    if outcome is not None:
        table = files.read_table(scores[0], columns=["outcome", "row", "score"])
        return _aligned(table.filter(pc.equal(table.column("outcome"), outcome)), "score", stream)
    if method in selection.CONTROLS:
        return _aligned(files.read_table(scores[0], columns=["row", "score"]), "score", stream)
    return _from_scores(scores[0], target, "loss" if method == "loss" else "influence", stream)


def _from_scores(path: Path, target: str | None, column: str, stream: schedules.Schedule) -> np.ndarray:
    table = files.read_table(path, columns=["target", "row", column])
    # The loss of a sample is the same in the scores of every target.
    wanted = target or table.column("target")[0]
    table = table.filter(pc.equal(table.column("target"), wanted))
    return _aligned(table, column, stream)


def _aligned(table: pa.Table, column: str, stream: schedules.Schedule) -> np.ndarray:
    rows, values = table.column("row").to_numpy(), table.column(column).to_numpy()
    order = np.argsort(rows)
    places = order[np.searchsorted(rows, stream.row, sorter=order).clip(max=len(rows) - 1)]
    if not np.array_equal(rows[places], stream.row):
        raise UserError("some candidates have no score; delete the folder scores and run again")
    return values[places]


if __name__ == "__main__":
    cli.run(select)
