"""Readings that were killed, damaged or refused, and go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from project import ROOT
from unit.corpus.published.streams import (
    BATCH,
    BATCH_BYTES,
    REPOSITORY,
    ROW_BYTES,
    SHARD_BYTES,
    WIDTH,
    Reading,
    cut,
    flip,
    lay,
    pin,
    received,
    settings,
    write_tokenizer,
)

from mda.corpus.published import batch_ledger, batch_reading
from mda.corpus.published.run_batches import BinaryBatches
from mda.runtime import parquet
from mda.runtime.errors import UserError


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
    assert parquet.read_table(reading.outputs[1]).column("documents").to_pylist() == [[n] for n in range(22)]


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
