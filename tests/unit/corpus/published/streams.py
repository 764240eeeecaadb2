"""A published stream of tokens in made-up shards, and the step that reads it."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

from loopback import Hub

from mda.config import corpus_sections
from mda.corpus import encoding
from mda.hub.pins import Pin
from mda.runtime import parquet
from mda.steps.corpus import batches as step

WIDTH, BATCH, BATCHES = 9, 4, 12
ROW_BYTES = 2 * WIDTH
BATCH_BYTES = ROW_BYTES * BATCH
# No multiple of a row, nor of a token.
SHARD_BYTES = 101
VOCABULARY = 50
REPOSITORY = "own/tokens"
PATTERN = "document-{number:05d}.bin"


def cut(content: bytes, size: int = SHARD_BYTES) -> dict[str, bytes]:
    """One stream of bytes as files."""
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    return {PATTERN.format(number=number): part for number, part in enumerate(parts)}


def lay(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def pin(hub: Hub, contents: dict[str, bytes], **changes) -> Pin:
    """Files on the hub, and their true pin, or one that is wrong for all of them."""
    commit = hub.add("dataset", REPOSITORY, "main", contents)
    lines = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **changes}
        for name, content in contents.items()
    ]
    place = {"kind": "dataset", "repository": REPOSITORY, "revision": "main", "commit": commit}
    return Pin.model_validate({**place, "files": lines})


def received(hub: Hub) -> list[tuple[str, int, int]]:
    """File, first byte and stop of what the content network was asked for and sent."""
    found = []
    for request in hub.served("/content/"):
        first, last = request.range.removeprefix("bytes=").split("-")
        name = request.path.rsplit("/", 1)[1]
        assert request.bytes_sent <= int(last) + 1 - int(first)
        found.append((name, int(first), int(first) + request.bytes_sent))
    return found


def settings(place: Path | str, shards: int, **changes) -> corpus_sections.Tokenized:
    values = {
        "repository": str(place),
        "revision": "main",
        "format": "binary",
        "files": PATTERN,
        "first": 0,
        "shards": shards,
        "width": WIDTH,
        "batch_size": BATCH,
        "held_out": [9, 11],
        "label": "pile",
    }
    return corpus_sections.Tokenized.model_validate({**values, **changes})


def write_tokenizer(path: Path, size: int = VOCABULARY) -> Path:
    from tokenizers import Tokenizer, models

    words = {"</s>": 0, **{f"w{number}": number for number in range(1, size)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w1"))
    encoding.frame(tokenizer, "</s>", None)
    tokenizer.save(str(path))
    return path


class Reading:
    """The step with its outputs in a folder of its own."""

    ROWS = 22

    def __init__(self, home: Path, source: corpus_sections.Tokenized, pinned: Pin | None = None) -> None:
        home.mkdir(exist_ok=True)
        self.home, self.source, self.pin = home, source, pinned
        self.resume = home / "resume"
        names = (
            "train.npy",
            "train.rows.parquet",
            "held_out.npy",
            "held_out.rows.parquet",
            "batches.parquet",
        )
        self.outputs = [home / "tokens" / name for name in names]
        self.tokenizer = write_tokenizer(home / "tokenizer.json")

    def __call__(self, context: int = WIDTH - 1) -> None:
        step.fetch(self.source, self.pin, self.tokenizer, context, self.ROWS, self.resume, *self.outputs)

    def arguments(self) -> list[str]:
        names = ("train", "train-rows", "held-out", "held-out-rows", "batches")
        outputs = [(f"--out-{name}", str(path)) for name, path in zip(names, self.outputs, strict=True)]
        return [
            *("--source", self.source.model_dump_json(), "--tokenizer", str(self.tokenizer)),
            *("--pin", "null" if self.pin is None else self.pin.model_dump_json()),
            *("--context", str(WIDTH - 1), "--rows", str(self.ROWS), "--resume", str(self.resume)),
            *itertools.chain.from_iterable(outputs),
        ]

    @property
    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in self.outputs]

    @property
    def ledger(self) -> list[dict]:
        return parquet.read_table(self.outputs[-1]).to_pylist()


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
