"""Select the top fraction of the window's samples by one method."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import statistics
from mda.interventions import own_scores, selection
from mda.planning.controls import CONTROLS
from mda.runtime import cli, external_files, files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Lines of a row group of what is written.
TOGETHER = 2**17


class Candidates(NamedTuple):
    """Steps and rows of the samples that may be selected, in the order of the run."""

    step: np.ndarray
    row: np.ndarray


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
    stream = _candidates(schedule, window, outside=False)
    number = selection.count(len(stream.row), fraction)
    if method == "outside":
        stream = _candidates(schedule, window, outside=True)
        if len(stream.row) < number:
            raise UserError(
                f"studies.time.swap needs {number} samples outside of the window, but the run reads only "
                f"{len(stream.row)} there; set it to false, or shorten run.window"
            )
    labels = files.read_words(train_rows, "label")
    if method == "own":
        assert own is not None
        external_files.check([Path(own)], content)
        values = own_scores.scores(Path(own), stream.row)
        own_scores.check_enough(values, number, Path(own))
    elif draw is None or outcome is not None:
        values = _values(method, target, outcome, scores, stream)
        if statistics.constant(values):
            log.warning("all %d scores by %s are equal: what is selected is at random", len(values), method)
    else:
        values = selection.random_scores(len(stream.row), method, seed, draw)
    if method == "matched":
        before = files.read_table(matched[0], columns=["row"]).column("row").to_numpy()
        # Numbers in the order of the labels, which is that of the selection.
        alphabetical = np.argsort(np.argsort(np.array(labels.dictionary.to_pylist())))
        numbers = alphabetical[labels.indices.to_numpy()[stream.row]]
        chosen = selection.matched(numbers, np.flatnonzero(np.isin(stream.row, before)), values)
    else:
        chosen = selection.top(values, number, seed)
    reader, store = tokens.load_tokenizer(tokenizer), TokenStore(train)

    def tables() -> Iterator[pa.Table]:
        for begin in range(0, len(chosen), TOGETHER):
            part = chosen[begin : begin + TOGETHER]
            rows = stream.row[part]
            names = labels.take(pa.array(rows)).to_pylist()
            texts = _excerpts(store, rows, reader, characters)
            yield selection.table(begin + 1, stream.step[part], rows, values[part], names, texts)

    files.write_tables(out, tables())


def _excerpts(store: TokenStore, rows: np.ndarray, reader, characters: int) -> list[str]:
    return [
        selection.excerpt(text, characters)
        for part in store.tokens_of(rows)
        # A character has at most four bytes, and a token at least one.
        for text in reader.decode_batch(
            [row[: 4 * characters].tolist() for row in part], skip_special_tokens=True
        )
    ]


def _candidates(schedule: Path, window: sections.Window, outside: bool) -> Candidates:
    """The samples that the run reads inside the window, or outside."""
    table = files.read_table(schedule, columns=["step", "row"])
    step, row = table.column("step").to_numpy(), table.column("row").to_numpy()
    begin, end = np.searchsorted(step, [window.start, window.stop])
    if not outside:
        return Candidates(step[begin:end], row[begin:end])
    return Candidates(*(np.concatenate([column[:begin], column[end:]]) for column in (step, row)))


def _values(
    method: str, target: str | None, outcome: str | None, scores: list[Path], stream: Candidates
) -> np.ndarray:
    if outcome is not None:
        return _aligned(files.read_where(scores[0], "outcome", outcome, ["row", "score"]), "score", stream)
    if len(scores) > 1:
        # Each checkpoint counts the same, however large its influence is.
        parts = [_from_scores(path, target, "influence", stream) for path in scores]
        return np.mean([selection.standardized(part) for part in parts], axis=0)
    if method in CONTROLS:
        return _aligned(files.read_table(scores[0], columns=["row", "score"]), "score", stream)
    return _from_scores(scores[0], target, "loss" if method == "loss" else "influence", stream)


def _from_scores(path: Path, target: str | None, column: str, stream: Candidates) -> np.ndarray:
    # The loss of a sample is the same in the scores of every target.
    wanted = target or next(files.read_batches(path, ["target"])).column("target")[0].as_py()
    return _aligned(files.read_where(path, "target", wanted, ["row", column]), column, stream)


def _aligned(table: pa.Table, column: str, stream: Candidates) -> np.ndarray:
    rows, values = table.column("row").to_numpy(), table.column(column).to_numpy()
    if np.array_equal(rows, stream.row):
        return values
    order = np.argsort(rows)
    places = order[np.searchsorted(rows, stream.row, sorter=order).clip(max=len(rows) - 1)]
    if not np.array_equal(rows[places], stream.row):
        raise UserError("some candidates have no score; delete the folder scores and run again")
    return values[places]


if __name__ == "__main__":
    cli.run(select)
