"""Published batches by byte range: from a folder and from a hub on this machine, whole or broken off."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from loopback import Hub
from project import ROOT

from mda.config import corpus_sections, experiment
from mda.corpus import encoding, sources, tokens
from mda.corpus.published import batch_ledger, batch_reading, token_shards
from mda.corpus.published.run_batches import BinaryBatches, ParquetBatches, rows_table
from mda.hub.pins import Pin
from mda.runtime import external_files, files, saves
from mda.runtime.errors import UserError
from mda.steps.corpus import batches as step

WIDTH, BATCH, BATCHES = 9, 4, 12
ROW_BYTES = 2 * WIDTH
BATCH_BYTES = ROW_BYTES * BATCH
# No multiple of a row, nor of a token.
SHARD_BYTES = 101
VOCABULARY = 50
REPOSITORY = "own/tokens"
PATTERN = "document-{number:05d}.bin"


@pytest.fixture
def stream():
    """All rows, shape (rows, WIDTH); one token in seven ends a document."""
    generator = np.random.default_rng(0)
    rows = generator.integers(1, VOCABULARY, (BATCHES * BATCH, WIDTH))
    rows[generator.random(rows.shape) < 1 / 7] = 0
    return rows.astype("<u2")


def cut(content: bytes, size: int = SHARD_BYTES) -> dict[str, bytes]:
    """One stream of bytes as files."""
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    return {PATTERN.format(number=number): part for number, part in enumerate(parts)}


def lay(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def folder(stream, tmp_path):
    return lay(tmp_path / "shards", cut(stream.tobytes()))


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine, which the client of this process takes for the real one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with Hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        place = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
        close_session()
        yield server
        close_session()


@pytest.fixture
def waits(monkeypatch):
    """Waiting is noted, not done."""
    noted = []
    monkeypatch.setattr("time.sleep", noted.append)
    return noted


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
        return files.read_table(self.outputs[-1]).to_pylist()


@pytest.fixture
def reading(folder, tmp_path):
    return Reading(tmp_path / "a", settings(folder, len(list(folder.iterdir()))))


@pytest.fixture
def small_requests(monkeypatch):
    """One request a batch, where it would be hundreds of thousands."""
    monkeypatch.setattr(batch_reading, "REQUEST_BYTES", BATCH_BYTES)


# Shards and their stream.


@pytest.mark.parametrize("kind", ["folder", "hub"])
def test_any_range_is_that_of_one_stream(stream, folder, hub, kind):
    contents = cut(stream.tobytes())
    names = list(contents)
    if kind == "folder":
        shards = token_shards.FolderShards(folder, names)
    else:
        shards = token_shards.HubShards(pin(hub, contents), names)
    whole = token_shards.ByteStream(shards)
    content = stream.tobytes()
    assert whole.size == len(content)
    edges = [0, 100, 101, 102, 303, len(content) - 1, len(content)]
    for start, stop in itertools.pairwise(edges) if kind == "hub" else itertools.combinations(edges, 2):
        assert whole.read(start, stop) == content[start:stop]
    # The sixth row lies in two files.
    rows = BinaryBatches(shards, WIDTH, BATCH).read(5, 6)
    assert [span.file for span in whole.spans(5 * ROW_BYTES, 6 * ROW_BYTES)] == [0, 1]
    assert np.array_equal(rows, stream[5:6])
    with pytest.raises(UserError, match=r"have 864 bytes, but byte 865 was asked for"):
        whole.read(800, 865)


def test_a_batch_beyond_the_end_is_told_with_how_many_there_are(folder):
    shards = token_shards.FolderShards(folder, sorted(path.name for path in folder.iterdir()))
    reader = BinaryBatches(shards, WIDTH, BATCH)
    reader.check(BATCHES)
    with pytest.raises(
        UserError, match=r"has 12 whole batches of 4 rows in its 9 files, 0 to 11, but batch 12"
    ):
        reader.check(BATCHES + 1)


def test_a_shard_that_was_cut_short_is_noticed(folder):
    names = sorted(path.name for path in folder.iterdir())
    (folder / names[3]).write_bytes(b"x" * 51)
    shards = token_shards.FolderShards(folder, names)
    with pytest.raises(UserError, match=r"no whole number of rows of 9 tokens, and document-00003\.bin has"):
        BinaryBatches(shards, WIDTH, BATCH)
    (folder / names[3]).write_bytes(b"x" * 50)
    with pytest.raises(UserError, match=r"document-00003\.bin: ends at byte 50, but had 51 bytes when"):
        shards.read(3, 0, 51)
    (folder / names[3]).unlink()
    with pytest.raises(UserError, match=r"has no file document-00003\.bin"):
        token_shards.FolderShards(folder, names)


def test_the_first_shards_alone_are_a_corpus(folder):
    names = sorted(path.name for path in folder.iterdir())[:3]
    reader = BinaryBatches(token_shards.FolderShards(folder, names), WIDTH, BATCH)
    reader.check(3 * SHARD_BYTES // BATCH_BYTES)


LARGE = {"document-00000.bin": bytes(range(256)) * 1200, "document-00001.bin": b"second" * 100}


@pytest.fixture
def large(hub):
    """Two files, the first larger than what is sent at once."""
    return token_shards.HubShards(pin(hub, LARGE), list(LARGE))


def test_an_interrupted_transfer_goes_on_where_it_stopped(hub, large, waits):
    hub.cut(100_000)
    hub.cut(0, times=2)
    hub.cut(50_000)
    assert large.read(0, 1000, 301_000) == LARGE["document-00000.bin"][1000:301_000]
    spans = [(start, stop) for _, start, stop in received(hub)]
    assert spans == [(1000, 101_000), (101_000,) * 2, (101_000,) * 2, (101_000, 151_000), (151_000, 301_000)]
    assert waits == [1, 2, 4, 1]


def test_a_connection_that_stays_lost_is_one_sentence(hub, large, waits):
    hub.cut(0, times=99)
    with pytest.raises(
        UserError, match=r"document-00000\.bin of own/tokens at main cannot be read \(.*check the"
    ):
        large.read(0, 0, 1000)
    assert len(waits) == token_shards.RETRIES
    assert 90 < sum(waits) < 180


@pytest.mark.parametrize(("status", "headers", "wait"), [(429, {"Retry-After": "7"}, 8), (503, {}, 1)])
@pytest.mark.parametrize("place", ["/resolve/", "/content/"])
def test_a_busy_server_is_asked_again(hub, large, waits, status, headers, wait, place):
    hub.fail(status, 1, place, headers=headers)
    assert large.read(1, 10, 20) == LARGE["document-00001.bin"][10:20]
    assert waits == [wait]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"cannot be read \(status 401\); log in"),
        (403, r"cannot be read \(status 403\); ask for access"),
        (404, r"cannot be read \(status 404\); check HF_ENDPOINT and .* make pin"),
        (503, r"cannot be read \(.*503.*; check the network"),
        (418, r"cannot be read \(.*418"),
    ],
)
def test_a_refusal_is_one_sentence(hub, large, waits, status, words):
    hub.fail(status, 99)
    with pytest.raises(UserError, match=words) as caught:
        large.read(0, 0, 10)
    assert "\n" not in str(caught.value)


def test_the_token_goes_to_the_hub_alone(hub, large, monkeypatch):
    hub.token = "secret"
    with pytest.raises(UserError, match="status 401"):
        large.read(0, 0, 10)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert large.read(0, 0, 10) == LARGE["document-00000.bin"][:10]
    assert hub.served("/resolve/")[-1].authorized
    assert not any(request.authorized for request in hub.served("/content/"))


def test_without_network_and_offline_it_is_one_sentence(hub, large, waits, monkeypatch):
    hub.close()
    with pytest.raises(UserError, match=r"cannot be read \(.*[Cc]onnection refused.*check the network"):
        large.read(0, 0, 10)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "is_offline_mode", lambda: True)
    with pytest.raises(UserError, match=r"for HF_HUB_OFFLINE is set; unset it, or name a folder"):
        large.read(0, 0, 10)


def test_another_file_than_the_pinned_one_is_not_read(hub, large):
    hub.shorten("document-00000", 5000)
    for start in (1000, 200_000):
        with pytest.raises(
            UserError, match=r"has 5,000 bytes at the server, but 307,200 are pinned; look at"
        ):
            large.read(0, start, start + 50)
    hub.mend()
    wrong = token_shards.HubShards(pin(hub, LARGE, sha256="0" * 64), list(LARGE))
    with pytest.raises(UserError, match=r"has the SHA-256 [0-9a-f]{64} at the server, but 0{64} is pinned"):
        wrong.read(0, 0, 10)
    with pytest.raises(UserError, match=r"c\.bin is not pinned; run make pin"):
        token_shards.HubShards(large.pin, ["c.bin"])


# The step: stores, tables and ledger.


def test_the_stores_are_the_published_batches(stream, reading, caplog):
    caplog.set_level("INFO")
    reading()
    train, held_out = np.load(reading.outputs[0]), np.load(reading.outputs[2])
    assert train.dtype == held_out.dtype == np.uint16
    assert np.array_equal(train, stream[: reading.ROWS])
    assert np.array_equal(held_out, stream[9 * BATCH : 11 * BATCH])
    assert tokens.TokenStore(reading.outputs[0]).context == WIDTH - 1
    content = stream.tobytes()
    for number, line in zip([*range(6), 9, 10], reading.ledger, strict=True):
        rows = min(BATCH, reading.ROWS - number * BATCH) if number < 9 else BATCH
        begin, stop = number * BATCH_BYTES, number * BATCH_BYTES + rows * ROW_BYTES
        batch = np.frombuffer(content[begin:stop], "<u2")
        assert line == {
            "batch": number,
            "split": "train" if number < 9 else "held_out",
            "rows": rows,
            "files": [
                PATTERN.format(number=n) for n in range(begin // SHARD_BYTES, (stop - 1) // SHARD_BYTES + 1)
            ],
            "first_byte": begin % SHARD_BYTES,
            "sha256": hashlib.sha256(content[begin:stop]).hexdigest(),
            "minimum": batch.min(),
            "maximum": batch.max(),
            "separators": (batch == 0).sum(),
        }
    saves.accept(reading.resume)
    assert not reading.resume.exists()
    assert "8 batches, 30 rows:" in caplog.text
    assert "are needed" in caplog.text
    assert "batches: 8 of 8" in caplog.text


def obvious_rows(array: np.ndarray, label: str, first_document: int) -> list[dict]:
    """What every row is made of, token by token."""
    document, lines = first_document, []
    for number, row in enumerate(array.tolist()):
        line = {
            "row": number,
            "label": label,
            "purity": 1.0,
            "documents": [],
            "offsets": [],
            "first_token": 0,
        }
        new = True
        for offset, token in enumerate(row):
            if new:
                line["documents"].append(document)
                line["offsets"].append(offset)
                document += 1
            new = token == 0
        lines.append(line)
    return lines


def test_the_tables_of_rows_equal_a_slow_loop(stream, reading, packed_schema):
    reading()
    train = files.read_table(reading.outputs[1])
    expected = obvious_rows(stream[: reading.ROWS], "pile", 0)
    assert train.to_pylist() == expected
    assert train.schema.equals(packed_schema)
    first = 1 + max(document for line in expected for document in line["documents"])
    assert files.read_table(reading.outputs[3]).to_pylist() == obvious_rows(stream[36:44], "pile", first)
    assert "made_by" in str(pq.read_schema(reading.outputs[1]).metadata)


@pytest.fixture
def packed_schema():
    """The columns of the table of rows of any other corpus."""
    from tokenizers import Tokenizer, models

    letters = Tokenizer(models.BPE({"</s>": 0, "a": 1, "b": 2}, []))
    encoding.frame(letters, "</s>", None)
    table = pa.table({"document": [0, 1], "text": ["aa", "bb"], "label": ["x", "x"]})
    return tokens.pack(letters, table, 4)[1].schema


@pytest.mark.parametrize("rows", [1, 7, 500])
def test_rows_tables_join_whatever_their_parts(rows):
    array = np.random.default_rng(rows).integers(0, 4, (rows, WIDTH)).astype(np.uint16)
    cuts = [0, rows // 3, rows // 2, rows]
    document, parts = 5, []
    for start, stop in itertools.pairwise(cuts):
        table, found = rows_table(array[start:stop], 0, "x", start, document)
        document += found
        parts.append(table)
    assert pa.concat_tables(parts).to_pylist() == obvious_rows(array, "x", 5)


def test_from_the_hub_only_what_is_needed_is_asked_for(stream, reading, hub, tmp_path):
    contents = cut(stream.tobytes())
    remote = Reading(tmp_path / "b", settings(REPOSITORY, len(contents)), pin(hub, contents))
    remote()
    reading()
    assert remote.contents == reading.contents
    asked = Counter()
    for name, start, stop in received(hub):
        number = list(contents).index(name)
        asked.update(range(number * SHARD_BYTES + start, number * SHARD_BYTES + stop))
    needed = {*range(22 * ROW_BYTES), *range(9 * BATCH_BYTES, 11 * BATCH_BYTES)}
    assert asked == dict.fromkeys(needed, 1)


class Killed(BaseException):
    """Stands for a signal."""


@pytest.mark.parametrize("after", [0, 1, 5, 7])
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    stream, reading, hub, tmp_path, monkeypatch, small_requests, after
):
    reading()
    contents = cut(stream.tobytes())
    broken = Reading(tmp_path / "b", settings(REPOSITORY, len(contents)), pin(hub, contents))
    add, added = batch_ledger.Ledger.add, []

    def killing(ledger, batch, *rest):
        if len(added) == after:
            # In the middle of a batch: its rows are there in part, its line is not.
            with ledger.part(batch.split).open("r+b") as part:
                part.seek(128 + batch.row * ROW_BYTES)
                part.write(b"half")
            raise Killed
        add(ledger, batch, *rest)
        added.append(batch.number)

    monkeypatch.setattr(batch_ledger.Ledger, "add", killing)
    with pytest.raises(Killed):
        broken()
    assert not any(path.exists() for path in broken.outputs)
    monkeypatch.setattr(batch_ledger.Ledger, "add", add)
    before = len(received(hub))
    broken()
    again = {
        (list(contents).index(name) * SHARD_BYTES + start) // BATCH_BYTES
        for name, start, _ in received(hub)[before:]
    }
    assert not again & set(added)
    assert broken.contents == reading.contents


def test_a_process_that_is_killed_goes_on(stream, hub, tmp_path):
    """The step as a rule starts it, ended by SIGKILL while it waits for the server."""
    contents = cut(stream.tobytes(), BATCH_BYTES)
    reading = Reading(tmp_path / "a", settings(REPOSITORY, len(contents)), pin(hub, contents))
    program = (
        "import sys; from mda.corpus.published import batch_reading; from mda.runtime import cli; "
        "from mda.steps.corpus import batches; "
        f"batch_reading.REQUEST_BYTES = {BATCH_BYTES}; cli.run(batches.fetch, sys.argv[1:])"
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        **hub.environment(tmp_path / "home"),
        "PYTHONPATH": str(ROOT / "workflow"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", program, *reading.arguments()]
    hub.fail(503, float("inf"), "document-00003", headers={"Retry-After": "600"})
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if any(len(path.read_text().splitlines()) == 3 for path in reading.resume.glob("*/ledger.jsonl")):
                break
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.communicate()[1]
    hub.mend()
    hub.requests.clear()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "going on after 3 whole batches" in done.stderr
    assert "HTTP Request" not in done.stderr
    assert not {name for name, _, _ in received(hub)} & set(list(contents)[:3])
    assert np.array_equal(np.load(reading.outputs[0]), stream[: reading.ROWS])
    assert np.array_equal(np.load(reading.outputs[2]), stream[9 * BATCH : 11 * BATCH])
    made_by = json.loads(pq.read_schema(reading.outputs[-1]).metadata[b"made_by"])
    assert made_by["parameters"]["pin"]["commit"] == reading.pin.commit


@pytest.fixture
def broken_off(reading):
    """The resume folder of a reading that ended after its last batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_reading, "describe", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            reading()
    return next(path for path in reading.resume.iterdir() if path.is_dir())


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def read_batches(monkeypatch) -> list[int]:
    """First rows of what is read from now on."""
    seen, read = [], BinaryBatches.read

    def noting(batches, start, stop):
        seen.append(start)
        return read(batches, start, stop)

    monkeypatch.setattr(BinaryBatches, "read", noting)
    return seen


def test_a_batch_that_did_not_reach_the_disk_is_read_again(
    stream, reading, broken_off, monkeypatch, small_requests, caplog
):
    caplog.set_level("INFO")
    flip(broken_off / "train.npy.part", 128 + 4 * BATCH_BYTES)
    seen = read_batches(monkeypatch)
    reading()
    assert seen == [16, 20, 36, 40]
    assert "batch 4 on disk is not what was received: reading it again" in caplog.text
    assert np.array_equal(np.load(reading.outputs[0]), stream[: reading.ROWS])


def test_damage_before_the_ledgers_end_is_found_when_the_stores_are_full(
    stream, reading, broken_off, monkeypatch, small_requests
):
    monkeypatch.setattr(batch_ledger, "CHECKED", 2)
    flip(broken_off / "train.npy.part", 128 + 4 * BATCH_BYTES)
    with pytest.raises(UserError, match=r"batch 4 on disk is not what was received; check the disk"):
        reading()
    assert not any(path.exists() for path in reading.outputs)
    reading()
    assert np.array_equal(np.load(reading.outputs[0]), stream[: reading.ROWS])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / "train.npy.part").unlink(), [0, 4, 8, 12, 16, 20, 36, 40]),
        (lambda folder: (folder / "train.npy.part").write_bytes(b"short"), [0, 4, 8, 12, 16, 20, 36, 40]),
        (lambda folder: (folder / "held_out.npy.part").unlink(), [36, 40]),
        (lambda folder: (folder / "ledger.jsonl").unlink(), [0, 4, 8, 12, 16, 20, 36, 40]),
        (
            lambda folder: os.truncate(folder / "ledger.jsonl", (folder / "ledger.jsonl").stat().st_size - 5),
            [40],
        ),
    ],
)
def test_whatever_is_missing_is_read_again(
    reading, broken_off, monkeypatch, small_requests, damage, expected, tmp_path
):
    damage(broken_off)
    seen = read_batches(monkeypatch)
    reading()
    assert seen == expected
    unbroken = Reading(tmp_path / "unbroken", reading.source)
    unbroken()
    assert unbroken.contents == reading.contents


@pytest.mark.parametrize("change", ["rows", "files"])
def test_other_settings_and_other_files_begin_anew(
    stream, reading, broken_off, folder, monkeypatch, small_requests, change
):
    if change == "rows":
        monkeypatch.setattr(Reading, "ROWS", 21)
    else:
        flip(folder / "document-00000.bin", 2)
    seen = read_batches(monkeypatch)
    reading()
    assert seen == [0, 4, 8, 12, 16, 20, 36, 40]
    differing = (np.load(reading.outputs[0]) != stream[: reading.ROWS]).sum()
    assert differing == (change == "files")


def test_a_byte_changed_on_the_way_shows_in_the_ledger_alone(stream, reading, hub, tmp_path):
    """No part of a file can be held against the hash of the whole; two readings can be compared."""
    reading()
    contents = cut(stream.tobytes())
    hub.corrupt("document-00001", 3)
    second = Reading(tmp_path / "b", settings(REPOSITORY, len(contents)), pin(hub, contents))
    second()
    differing = [one["batch"] for one, two in zip(reading.ledger, second.ledger, strict=True) if one != two]
    assert differing == [(SHARD_BYTES + 3) // BATCH_BYTES]


def test_finished_stores_that_were_deleted_are_there_again_unread(reading, monkeypatch):
    """Snakemake deletes the outputs of a job that it does not accept."""
    reading()
    before = reading.contents
    assert reading.outputs[0].stat().st_nlink == 2
    for path in reading.outputs[:3]:
        path.unlink()
    seen = read_batches(monkeypatch)
    reading()
    assert (reading.contents, seen) == (before, [])


def test_another_date_of_a_shard_loses_nothing(reading, broken_off, folder, monkeypatch, small_requests):
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    seen = read_batches(monkeypatch)
    reading()
    assert len(seen) < 8


def test_another_tokenizer_is_told_before_its_stores_are_there(reading):
    write_tokenizer(reading.tokenizer, 40)
    with pytest.raises(
        UserError, match=r"batch 0 \(.*\) has token 4\d, but the tokenizer has only 40: it is not"
    ):
        reading()
    assert not any(path.exists() for path in reading.outputs)


def test_a_corpus_without_separators_is_told(stream, tmp_path, caplog):
    content = np.where(stream == 0, 1, stream).astype("<u2").tobytes()
    folder = lay(tmp_path / "shards", cut(content))
    reading = Reading(tmp_path / "a", settings(folder, len(cut(content))))
    reading()
    assert "no row has the token 0 that ends a document" in caplog.text
    assert files.read_table(reading.outputs[1]).column("documents").to_pylist() == [[n] for n in range(22)]


def test_a_disk_that_is_too_small_is_told_before_anything_is_read(reading, monkeypatch, caplog):
    caplog.set_level("INFO")
    needed = 30 * (ROW_BYTES + batch_reading.LINE_BYTES)
    usage = shutil.disk_usage(reading.home)._replace(free=needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    seen = read_batches(monkeypatch)
    (reading.resume / "other").mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"need .* more, but only .* are free; free some \(such as .*other, of a"
    ):
        reading()
    assert seen == []
    assert "are needed" in caplog.text
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
    reading()


def test_outputs_on_another_disk_are_told(reading, monkeypatch):
    with pytest.raises(UserError, match=r"are on different disks, but stores are moved"):
        batch_reading.check_disk(reading.resume, [Path("/proc/self/train.npy")], [], WIDTH)


@pytest.mark.parametrize("limit", [300, 600])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on(stream, reading, limit):
    """The limit stands for it: the stores do not fit, or the ledger does not."""
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); from mda.runtime import cli; "
        "from mda.steps.corpus import batches; cli.run(batches.fetch, sys.argv[1:])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", limited, *reading.arguments()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot be written (File too large); free the disk" in done.stderr.splitlines()[-1]
    assert "it goes on after the last whole batch" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    reading()
    assert np.array_equal(np.load(reading.outputs[0]), stream[: reading.ROWS])


def test_a_source_that_is_not_pinned_or_too_wide_is_told(reading, tmp_path):
    with pytest.raises(UserError, match=r"own/tokens at main is not pinned; run make pin"):
        Reading(tmp_path / "b", settings(REPOSITORY, 9))()
    with pytest.raises(UserError, match=r"width is 9, but tokens\.context 6 needs rows of 7; mend one"):
        reading(context=6)


# Parquet.


def tables(stream: np.ndarray, **options) -> dict[str, bytes]:
    """Three files of four batches each, rows of a file out of order, in small row groups."""
    found = {}
    for number in range(3):
        rows = np.random.default_rng(number).permutation(16) + number * 16
        if number == 0:
            rows = np.arange(16)
        table = pa.table(
            {
                "uid": rows,
                "batch_idx": rows // BATCH,
                "token_ids": pa.array(stream[rows].tolist(), options.get("type", pa.list_(pa.int64()))),
            }
        )
        sink = pa.BufferOutputStream()
        statistics = options.get("statistics", True)
        pq.write_table(table, sink, row_group_size=6, write_statistics=statistics)
        found[f"data/train-{number + 1:03d}000.parquet"] = sink.getvalue().to_pybytes()
    return found


def parquet(place: Path | str, **changes) -> corpus_sections.Tokenized:
    changes = {"format": "parquet", "files": "data/train-{number:03d}000.parquet", "first": 1, **changes}
    return settings(place, 3, **changes)


@pytest.fixture
def table_folder(stream, tmp_path):
    def make(contents: dict[str, bytes]) -> Path:
        (tmp_path / "tables" / "data").mkdir(parents=True)
        for name, content in contents.items():
            (tmp_path / "tables" / name).write_bytes(content)
        return tmp_path / "tables"

    return make


@pytest.mark.parametrize(
    "options",
    [{}, {"statistics": False}, {"type": pa.list_(pa.int32(), WIDTH)}, {"type": pa.large_list(pa.uint16())}],
)
def test_parquet_equals_binary(stream, reading, table_folder, tmp_path, options):
    reading()
    second = Reading(tmp_path / "b", parquet(table_folder(tables(stream, **options))))
    second()
    assert second.contents[:4] == reading.contents[:4]
    assert [line["sha256"] for line in second.ledger] == [line["sha256"] for line in reading.ledger]
    assert second.ledger[0]["files"] == ["data/train-001000.parquet"]
    assert second.ledger[0]["first_byte"] is None


def test_of_parquet_on_the_hub_only_the_row_groups_needed_are_read(stream, hub, tmp_path, reading):
    # Row groups far larger than the footer, which is read with what lies before it.
    wide = np.random.default_rng(0).integers(1, VOCABULARY, (48, 20_000))
    contents = tables(wide)
    source = parquet(REPOSITORY, width=20_000, held_out=[10, 11])
    reader = ParquetBatches(step.shards_of(source, pin(hub, contents)), 20_000, BATCH)
    assert np.array_equal(reader.read(0, 2), wide[:2])
    assert np.array_equal(reader.read(0, 4), wide[:4])
    sizes = {name.rpartition("/")[2]: len(content) for name, content in contents.items()}
    served = Counter()
    for name, start, stop in received(hub):
        served[name] += stop - start
    assert 0.2 < served["train-001000.parquet"] / sizes["train-001000.parquet"] < 0.75
    assert served["train-002000.parquet"] == 0
    with pytest.raises(
        UserError, match=r"no file holds batch 12, the 3 files read hold batches 0 to 11; lower"
    ):
        reader.check(13)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 8}, r"train-001000\.parquet of .* has rows that are not 8 tokens long"),
        ({"batch_size": 3}, r"batch 0 has 4 rows, not corpus\.tokenized\.batch_size \(3\)"),
    ],
)
def test_parquet_of_other_rows_is_one_sentence(stream, table_folder, changes, words):
    source = parquet(table_folder(tables(stream)), **changes)
    reader = ParquetBatches(step.shards_of(source, None), source.width, source.batch_size)
    with pytest.raises(UserError, match=words):
        reader.read(0, 1)


def test_parquet_of_other_content_is_one_sentence(stream, table_folder):
    contents = tables(stream)
    contents["data/train-002000.parquet"] = b"no parquet at all"
    folder = table_folder(contents)
    reader = ParquetBatches(step.shards_of(parquet(folder), None), WIDTH, BATCH)
    with pytest.raises(UserError, match=r"train-002000\.parquet of .* cannot be read as Parquet"):
        reader.check(5)
    pq.write_table(pa.table({"uid": [1]}), folder / "data" / "train-002000.parquet")
    with pytest.raises(UserError, match=r"has no column 'batch_idx', only uid"):
        ParquetBatches(step.shards_of(parquet(folder), None), WIDTH, BATCH).check(5)
    for value in (-1, 70_000):
        table = pa.table({"uid": range(4), "batch_idx": [4] * 4, "token_ids": [[value] * WIDTH] * 4})
        pq.write_table(table, folder / "data" / "train-002000.parquet")
        with pytest.raises(UserError, match="has tokens that are not between 0 and 65535"):
            ParquetBatches(step.shards_of(parquet(folder), None), WIDTH, BATCH).read(16, 17)


# Configuration and rules.


@pytest.fixture
def tokenized(default, tmp_path):
    """A configuration of a tokenized corpus of rows of 33 tokens, 12 batches of 1280."""
    content = np.random.default_rng(0).integers(0, VOCABULARY, (15_360 + 1280, 33)).astype("<u2").tobytes()
    lay(tmp_path / "rows", cut(content, 1_000_003))
    source = settings(tmp_path / "rows", 2, width=33, batch_size=1280, held_out=[12, 13])
    default["corpus"] |= {"source": "tokenized", "tokenized": json.loads(source.model_dump_json())}
    path = str(write_tokenizer(tmp_path / "t.json"))
    default["tokens"]["tokenizer"] |= {"kind": "file", "path": path}
    return default


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("repository", "no/where/here", r"repository 'no/where/here' is no folder here; .* write owner/name"),
        ("revision", None, r"repository 'own/tokens' is no folder here; .* and its 'revision'"),
        ("files", "document.bin", r"files 'document\.bin' needs one place for the file's number"),
        ("files", "{number}-{number}", "needs one place for the file's number"),
        ("files", "{number:q}", "needs one place for the file's number"),
        ("files", "{file}", "needs one place for the file's number"),
        ("held_out", [13, 13], r"held_out \[13, 13\] names no batch"),
        (
            "held_out",
            [11, 13],
            r"held_out begins at batch 11, but the run reads the batches 0 to 11; let it begin at 12",
        ),
        ("width", 32, r"width is 32, but tokens\.context 32 needs rows of 33; set tokens\.context to 31"),
        ("shards", 0, "shards' is 0: input should be greater than or equal to 1"),
        ("shard", 0, "unknown key 'shard'; did you mean 'shards'"),
    ],
)
def test_a_mistake_in_the_section_is_one_sentence(tokenized, key, value, words):
    tokenized["corpus"]["tokenized"] |= {"repository": REPOSITORY, key: value}
    with pytest.raises(UserError, match=words) as caught:
        experiment.check(tokenized)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_a_tokenized_corpus_is_told(tokenized):
    assert experiment.check(tokenized).corpus.in_use().synthetic is None
    with pytest.raises(UserError, match="has batches of tokens and no documents"):
        sources.documents(experiment.check(tokenized).corpus)
    tokenized["tokens"]["tokenizer"]["kind"] = "word"
    with pytest.raises(
        UserError, match=r"tokens\.tokenizer\.kind is 'word', but the corpus is tokenized already"
    ):
        experiment.check(tokenized)
    tokenized["corpus"]["tokenized"]["shards"] = 3
    with pytest.raises(UserError, match=r"repository: the folder .*rows has no file document-00002\.bin"):
        experiment.check(tokenized)


def test_an_edited_shard_changes_the_fingerprint(tokenized, tmp_path):
    shards = experiment.check(tokenized).corpus.chosen.local_files
    before = external_files.content(shards)
    flip(tmp_path / "rows" / "document-00001.bin", 7)
    assert external_files.content(shards) != before


def test_the_rules_read_batches_in_place_of_documents(tokenized, tmp_path):
    """Also with a pattern that Snakemake would take for a wildcard."""
    import yaml

    project = tmp_path / "project"
    project.mkdir()
    for name in ("Snakefile", "config.yaml", "workflow"):
        (project / name).symlink_to(ROOT / name)
    for number in range(2):
        (tmp_path / "rows" / f"document-{number:05d}.bin").rename(tmp_path / "rows" / f"rows-{number}.bin")
    tokenized["corpus"]["tokenized"]["files"] = "rows-{number}.bin"
    (project / "overlay.yaml").write_text(yaml.safe_dump(tokenized))

    def snakemake(*options: str) -> str:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "1",
            *options,
            "results/tokens/batches.parquet",
        ]
        done = subprocess.run(
            [*command, "--configfile", "overlay.yaml"],
            cwd=project,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    output = snakemake()
    assert "rule batches:" in output
    assert "rule corpus:" not in output
    assert "Nothing to be done" in snakemake("--dry-run")
    found = sorted(path.name for path in (project / "results" / "tokens").iterdir())
    stores = ["held_out.npy", "held_out.rows.parquet", "tokenizer.json", "train.npy", "train.rows.parquet"]
    records = ["tokenizer.json.made_by.json", "train.npy.made_by.json"]
    assert found == sorted(["batches.parquet", *stores, *records])
    assert np.load(project / "results" / "tokens" / "train.npy").shape == (15_360, 33)
    flip(tmp_path / "rows" / "rows-1.bin", 8)
    assert "rule batches:" in snakemake("--dry-run")
