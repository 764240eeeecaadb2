"""A hub on this machine, and a client of it."""

from __future__ import annotations

import os

import pytest
from loopback import Hub
from unit.hub.client import Client

from mda.runtime import warm_python


@pytest.fixture
def server():
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """A Python that has imported what the hub's own library imports; that one reads where the hub is."""
    packages = ("httpx2", "pydantic", "yaml", "tqdm.auto", "filelock", "fsspec")
    with warm_python.started(tmp_path_factory.mktemp("python"), os.environ, packages, now=True) as python:
        yield str(python)


@pytest.fixture
def client(server, tmp_path, python):
    return Client(server, tmp_path, python)
