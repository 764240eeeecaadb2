"""What the tests of published batches share."""

from __future__ import annotations

import numpy as np
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from loopback import Hub
from unit.corpus.published.streams import (
    BATCH,
    BATCH_BYTES,
    BATCHES,
    VOCABULARY,
    WIDTH,
    Reading,
    cut,
    lay,
    settings,
)

from mda.corpus.published import batch_reading


@pytest.fixture
def stream():
    """All rows, shape (rows, WIDTH); one token in seven ends a document."""
    generator = np.random.default_rng(0)
    rows = generator.integers(1, VOCABULARY, (BATCHES * BATCH, WIDTH))
    rows[generator.random(rows.shape) < 1 / 7] = 0
    return rows.astype("<u2")


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


@pytest.fixture
def reading(folder, tmp_path):
    return Reading(tmp_path / "a", settings(folder, len(list(folder.iterdir()))))


@pytest.fixture
def small_requests(monkeypatch):
    """One request a batch, where it would be hundreds of thousands."""
    monkeypatch.setattr(batch_reading, "REQUEST_BYTES", BATCH_BYTES)
