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
        values = selection.repetition_scores(store, stream.row)
    else:
        values = _from_scores(scores[0], target, method, stream)
    number = selection.count(len(stream.row), fraction)
    chosen = selection.top(values, number, seed)
    rows = stream.row[chosen]
    reader = tokens.load_tokenizer(tokenizer)
    texts = [
        selection.excerpt(text, characters)
        for part in store.parts(rows)
        # A character has at most four bytes, and a token at least one.
        for text in reader.decode_batch(part[:, : 4 * characters].tolist(), skip_special_tokens=True)
    ]
    labels = files.read_table(train_rows, columns=["label"]).column("label").take(rows).to_pylist()
    files.write_table(out, selection.table(stream.step[chosen], rows, values[chosen], labels, texts))


def _from_scores(path: Path, target: str | None, method: str, stream: schedules.Schedule) -> np.ndarray:
    table = files.read_table(path, columns=["target", "row", method])
    # The loss of a sample is the same in the scores of every target.
    wanted = target or table.column("target")[0]
    table = table.filter(pc.equal(table.column("target"), wanted))
    rows, values = table.column("row").to_numpy(), table.column(method).to_numpy()
    order = np.argsort(rows)
    return values[order[np.searchsorted(rows, stream.row, sorter=order)]]


if __name__ == "__main__":
    cli.run(select)
