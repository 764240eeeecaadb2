"""Tokenize the documents and pack them into the token stores of both splits."""

from pathlib import Path

import pyarrow.compute as pc

from mda.corpus import tokens
from mda.runtime import cli, files, parquet


def pack(
    documents: Path,
    tokenizer: Path,
    context: int,
    pack_documents: bool,
    out_train: Path,
    out_train_rows: Path,
    out_held_out: Path,
    out_held_out_rows: Path,
) -> None:
    """Write a store (.npy) and its table of rows (.parquet) for 'train' and 'held_out'.

    `pack_documents` joins the documents and cuts the rows from all; else each has rows of its own.
    """
    table = parquet.read_table(documents)
    reader = tokens.load_tokenizer(tokenizer)
    for split, store, rows in (
        ("train", out_train, out_train_rows),
        ("held_out", out_held_out, out_held_out_rows),
    ):
        part = table.filter(pc.equal(table.column("split"), split))
        make = tokens.pack if pack_documents else tokens.lay_out
        array, lines = make(reader, part, context, f"the {split.replace('_', '-')} text")
        files.write_array(store, array)
        parquet.write_table(rows, lines)


if __name__ == "__main__":
    cli.run(pack)
