"""Tokenize the documents and pack them into the token stores of both splits."""

from pathlib import Path

import pyarrow.compute as pc

from mda.corpus import tokens
from mda.runtime import cli, files


def pack(
    documents: Path,
    tokenizer: Path,
    context: int,
    out_train: Path,
    out_train_rows: Path,
    out_held_out: Path,
    out_held_out_rows: Path,
) -> None:
    """Write a store (.npy) and its table of rows (.parquet) for 'train' and 'held_out'."""
    table = files.read_table(documents)
    reader = tokens.load_tokenizer(tokenizer)
    for split, store, rows in (
        ("train", out_train, out_train_rows),
        ("held_out", out_held_out, out_held_out_rows),
    ):
        part = table.filter(pc.equal(table.column("split"), split))
        array, lines = tokens.pack(reader, part, context, f"the {split.replace('_', '-')} text")
        files.write_array(store, array)
        files.write_table(rows, lines)


if __name__ == "__main__":
    cli.run(pack)
