"""A hub on this machine, and a client of it."""

from __future__ import annotations

import pytest
from loopback import Hub
from unit.hub.client import Client


@pytest.fixture
def server():
    with Hub() as hub:
        yield hub


@pytest.fixture
def client(server, tmp_path):
    return Client(server, tmp_path)
