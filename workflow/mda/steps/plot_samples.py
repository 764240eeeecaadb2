"""Draw the top samples with their repeated spans marked."""

from pathlib import Path

from mda import cli, files, plots, repetition, tokens
from mda.tokens import TokenStore


def draw(
    selection: Path,
    train: Path,
    tokenizer: Path,
    target: str,
    shortest: int,
    samples: int,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`; repeats shorter than `shortest` are not marked."""
    top = files.read_table(selection).slice(0, samples).to_pylist()
    store, reader = TokenStore(train), tokens.load_tokenizer(tokenizer)
    shown = []
    for sample in top:
        row = store.tokens[sample["row"]]
        marks = repetition.repeated_positions(row, shortest)
        shown.append({**sample, "tokens": tokens.pieces(reader, row), "repeated": marks.tolist()})
    plots.save(plots.top_samples(shown, target), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
