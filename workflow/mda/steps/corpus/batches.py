"""Read the batches of a published training run into the token stores of both splits."""

import hashlib
import json
from pathlib import Path

from mda.config import corpus_sections
from mda.corpus import encoding, tokens
from mda.corpus.published import batch_reading, run_batches, token_shards
from mda.corpus.published.batch_ledger import Ledger, plan
from mda.hub import pins
from mda.runtime import cli, external_files, files, saves
from mda.runtime.errors import UserError


def fetch(
    source: corpus_sections.Tokenized,
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
    content: str = external_files.NOTHING,
) -> None:
    """Write a store (.npy) and its table of rows (.parquet) for 'train' and 'held_out'.

    `rows` training rows are read from batch 0 on, in published order. `out_batches` has a line a
    published batch: where it came from, its SHA-256, and what tokens it has. A killed run goes on
    after its last whole batch in `resume` and gives the same bytes as an unbroken one. `content` is that
    of a user's own folder when the run was planned.

    Raises:
        UserError: when the source cannot be read, has too few batches, was made with another
            tokenizer, or does not fit the disk.
    """
    if source.width != context + 1:
        raise UserError(
            f"corpus.tokenized.width is {source.width}, but tokens.context {context} needs rows of "
            f"{context + 1}; mend one of them"
        )
    external_files.check(source.local_files, content)
    reader = tokens.load_tokenizer(tokenizer)
    alphabet = batch_reading.Alphabet(encoding.size(reader), tokens.separator(reader))
    shards = shards_of(source, pin)
    batches = run_batches.batches_of(source, shards, source.width)
    wanted = plan(rows, source.held_out, source.batch_size)
    with files.alone(resume):
        folder = resume / key(source, pin, shards, rows, alphabet)
        outputs = [out_train, out_train_rows, out_held_out, out_held_out_rows, out_batches]
        if saves.take_up(folder, outputs):
            return
        batch_reading.check_disk(folder, [out_train, out_held_out], wanted, source.width)
        batches.check(1 + max(batch.number for batch in wanted))
        ledger = Ledger(folder, wanted, source.width)
        batch_reading.receive(ledger, batches, source.batch_size, alphabet)
        with saves.finishing(folder, outputs) as (train, train_rows, held_out, held_out_rows, lines):
            rows_of = {"train": train_rows, "held_out": held_out_rows}
            batch_reading.describe(ledger, source.label, alphabet, rows_of, lines)
            saves.link(ledger.part("train"), train)
            saves.link(ledger.part("held_out"), held_out)


def shards_of(source: corpus_sections.Tokenized, pin: pins.Pin | None) -> token_shards.Shards:
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
    source: corpus_sections.Tokenized,
    pin: pins.Pin | None,
    shards: token_shards.Shards,
    rows: int,
    alphabet: batch_reading.Alphabet,
) -> str:
    """Name of the folder of what is read: other settings or other files have another."""
    settings = source.model_dump(exclude={"label"})
    parts = [
        settings,
        pin and pin.commit,
        shards.sizes,
        external_files.content(source.local_files),
        rows,
        alphabet,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    cli.run(fetch)
