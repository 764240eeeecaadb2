"""Draw the top samples with their repeated spans marked."""

from pathlib import Path

import numpy as np

from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.figures import style
from mda.figures import top_samples as figure
from mda.interventions import repetition
from mda.runtime import cli, parquet


def draw(
    selection: Path,
    train: Path,
    tokenizer: Path,
    target: str,
    shortest: int,
    samples: int,
    length: int,
    among: str,
    width: float | None,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`; repeats shorter than `shortest` are not marked.

    `among` says which samples these are the top of.
    Of a longer sample the stretch of `length` tokens with the most repeated ones is shown.
    """
    style.use_width(width)
    top = parquet.read_first(selection, samples).to_pylist()
    store, reader = TokenStore(train), tokens.load_tokenizer(tokenizer)
    shown = []
    for sample in top:
        [[row]] = store.tokens_of(np.array([sample["row"]]))
        marks = repetition.repeated_positions(row, shortest)
        counts = np.convolve(marks, np.ones(min(length, len(row))), mode="valid")
        part = slice(int(counts.argmax()), int(counts.argmax()) + length)
        texts = tokens.pieces(reader, row[part])
        shown.append({**sample, "tokens": texts, "repeated": marks[part].tolist()})
    style.save(figure.draw(shown, target, among), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
