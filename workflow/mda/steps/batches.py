"""Read the batches of a published training run into the token stores of both splits."""

import hashlib
import json
import shutil
from pathlib import Path

from mda import batch_reading, cli, encoding, files, pins, published_batches, sources, token_shards, tokens
from mda.batch_ledger import Ledger, plan
from mda.errors import UserError


def fetch(
    source: sources.Tokenized,
    pin: pins.Pin | None,
    tokenizer: Path,
    context: int,
    rows: int,
    resume: Path,
    out_train: Path,
    out_train_rows: Path,
    out_held_out: Path,
    out_held_out_rows: Path,
    out_batches: Path,
) -> None:
    """Write a store (.npy) and its table of rows (.parquet) for 'train' and 'held_out'.

    `rows` training rows are read from batch 0 on, in published order. `out_batches` has a line a
    published batch: where it came from, its SHA-256, and what tokens it has. A killed run goes on
    after its last whole batch in `resume` and gives the same bytes as an unbroken one.

    Raises:
        UserError: when the source cannot be read, has too few batches, was made with another
            tokenizer, or does not fit the disk.
    """
    if source.width != context + 1:
        raise UserError(
            f"corpus.tokenized.width is {source.width}, but tokens.context {context} needs rows of "
            f"{context + 1}; mend one of them"
        )
    reader = tokens.load_tokenizer(tokenizer)
    alphabet = batch_reading.Alphabet(encoding.size(reader), tokens.separator(reader))
    shards = shards_of(source, pin)
    batches = published_batches.batches_of(source, shards, source.width)
    wanted = plan(rows, source.held_out, source.batch_size)
    with files.alone(resume):
        folder = resume / key(source, pin, shards, rows, alphabet)
        batch_reading.check_disk(folder, [out_train, out_held_out], wanted, source.width)
        batches.check(1 + max(batch.number for batch in wanted))
        ledger = Ledger(folder, wanted, source.width)
        batch_reading.receive(ledger, batches, source.batch_size, alphabet)
        rows_of = {"train": out_train_rows, "held_out": out_held_out_rows}
        batch_reading.describe(ledger, source.label, alphabet, rows_of, out_batches)
        for split, out in (("train", out_train), ("held_out", out_held_out)):
            files.adopt(ledger.part(split), out)
        shutil.rmtree(resume, ignore_errors=True)


def shards_of(source: sources.Tokenized, pin: pins.Pin | None) -> token_shards.Shards:
    """The source's files.

    Raises:
        UserError: when a file is missing, or the repository is not pinned.
    """
    if source.local is not None:
        return token_shards.FolderShards(source.local, source.names)
    if pin is None:
        raise UserError(f"{source.remote} at {source.revision} is not pinned; run {pins.COMMAND}")
    return token_shards.HubShards(pin, source.names)


def key(
    source: sources.Tokenized,
    pin: pins.Pin | None,
    shards: token_shards.Shards,
    rows: int,
    alphabet: batch_reading.Alphabet,
) -> str:
    """Name of the folder of what is read: other settings or other files have another."""
    local = source.local
    times = [] if local is None else [(local / name).stat().st_mtime_ns for name in source.names]
    settings = source.model_dump(exclude={"label"})
    parts = [settings, pin and pin.commit, shards.sizes, times, rows, alphabet]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    cli.run(fetch)
