"""Shards of a published corpus as one stream of bytes: from a folder, and from a hub on this machine."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from huggingface_hub import constants
from unit.corpus.published.streams import (
    BATCH,
    BATCH_BYTES,
    BATCHES,
    ROW_BYTES,
    SHARD_BYTES,
    WIDTH,
    cut,
    pin,
    received,
)

from mda.corpus.published import token_shards
from mda.corpus.published.run_batches import BinaryBatches
from mda.runtime.errors import UserError


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
