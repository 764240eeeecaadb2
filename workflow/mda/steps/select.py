"""Select the top fraction of the window's samples by one method."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from mda import cli, files, sections, selection, tokens
from mda import schedule as schedules
from mda.tokens import TokenStore


def select(
    method: str,
    fraction: float,
    schedule: Path,
    train: Path,
    train_rows: Path,
    tokenizer: Path,
    window: sections.Window,
    target: str | None,
    scores: list[Path],
    seed: int,
    characters: int,
    out: Path,
) -> None:
    """Write `out`: rank, score, row, step, label, excerpt of the selected samples.

    Methods: 'influence' on `target` and 'loss' (highest first) read the one table in `scores`;
    'random' and 'repetition' read none. All select the same number from the same candidates: the samples
    that the base run reads inside the window.
    """
    stream = schedules.Schedule.read(schedule).between(window.start, window.stop)
    store = TokenStore(train)
    if method == "random":
        values = selection.random_scores(len(stream.row), seed)
    elif method == "repetition":
        values = selection.repetition_scores(store.take(stream.row))
    else:
        values = _from_scores(scores[0], target, method, stream)
    number = selection.count(len(stream.row), fraction)
    chosen = selection.top(values, number, seed)
    rows = stream.row[chosen]
    reader = tokens.load_tokenizer(tokenizer)
    texts = [
        selection.excerpt(text, characters)
        for text in reader.decode_batch(store.take(rows).tolist(), skip_special_tokens=True)
    ]
    labels = files.read_table(train_rows, columns=["label"]).column("label").take(rows).to_pylist()
    files.write_table(out, selection.table(stream.step[chosen], rows, values[chosen], labels, texts))


def _from_scores(path: Path, target: str | None, method: str, stream: schedules.Schedule) -> np.ndarray:
    table = files.read_table(path, columns=["target", "row", method])
    # The loss of a sample is the same in the scores of every target.
    wanted = target or table.column("target")[0]
    table = table.filter(pc.equal(table.column("target"), wanted))
    by_row = dict(zip(table.column("row").to_pylist(), table.column(method).to_pylist(), strict=True))
    return np.array([by_row[row] for row in stream.row.tolist()])


if __name__ == "__main__":
    cli.run(select)
