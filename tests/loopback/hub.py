"""The repositories of the hub, what was asked of it, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from loopback.content import Blob, Failure, Files, Headers
from loopback.server import Request, Server

# What the hub keeps outside git, so that it knows the SHA-256; other files are in git itself.
LARGE = {".safetensors", ".bin", ".npy", ".parquet", ".pt", ".h5", ".zst", ".gz", ".idx"}
LARGE_BYTES = 2**20


@dataclass
class Rule:
    """What goes wrong with the next `times` requests whose path contains a text."""

    path_contains: str
    times: float
    method: str | None = None
    status: int = 0
    headers: Headers = field(default_factory=dict)
    number: int = 0
    reset: bool = False

    def takes(self, method: str, path: str) -> bool:
        if self.times <= 0 or self.path_contains not in path or self.method not in (None, method):
            return False
        self.times -= 1
        return True


class Hub:
    """The hub: two ports of 127.0.0.1, one for the hub and one for its content network.

    Attributes:
        url: the hub's address, to be given as HF_ENDPOINT.
        content_url: the address that large files are redirected to.
        requests: what was asked, in order.
        token: when set, requests without it as Bearer are answered with 401.
        gated: when true, files are answered with 401 (no token) or 403, and the code GatedRepo.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.token: str | None = None
        self.gated = False
        self.lock = threading.RLock()
        self._branches: dict[tuple[str, str], dict[str, str]] = {}
        self._commits: dict[tuple[str, str], dict[str, Files]] = {}
        self._failures: list[Rule] = []
        self._cuts: list[Rule] = []
        self._flips: list[Rule] = []
        self._lengths: list[Rule] = []
        self._servers = [Server(self), Server(self)]
        self.url, self.content_url = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def add(self, kind: str, repository: str, revision: str, files: dict[str, bytes]) -> str:
        """Commit `files`, all there are, to a branch; a first branch is also `main`. Returns the commit."""
        blobs = {
            name: Blob(content, PurePosixPath(name).suffix in LARGE or len(content) > LARGE_BYTES)
            for name, content in sorted(files.items())
        }
        tree = json.dumps([kind, repository, revision, {name: blob.sha256 for name, blob in blobs.items()}])
        commit = hashlib.sha1(tree.encode()).hexdigest()
        with self.lock:
            self._commits.setdefault((kind, repository), {})[commit] = blobs
            branches = self._branches.setdefault((kind, repository), {})
            branches[revision] = commit
            branches.setdefault("main", commit)
        return commit

    def fail(
        self,
        status: int,
        times: float = 1,
        path_contains: str = "",
        method: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Answer the next matching requests with an error status."""
        with self.lock:
            self._failures.append(Rule(path_contains, times, method, status, headers or {}))

    def cut(self, after_bytes: int, times: float = 1, path_contains: str = "", reset: bool = False) -> None:
        """Close the connection of the next matching GET requests after so many bytes of the body.

        With `reset`, as a machine that fell over does: by a TCP reset.
        """
        with self.lock:
            self._cuts.append(Rule(path_contains, times, "GET", number=after_bytes, reset=reset))

    def corrupt(self, path_contains: str, position: int, times: float = float("inf")) -> None:
        """Flip the byte at `position` of matching files as they are sent; their hashes stay true."""
        with self.lock:
            self._flips.append(Rule(path_contains, times, "GET", number=position))

    def shorten(self, path_contains: str, size: int, times: float = float("inf")) -> None:
        """Send only the first `size` bytes of matching files; what is said about them stays true."""
        with self.lock:
            self._lengths.append(Rule(path_contains, times, "GET", number=size))

    def mend(self) -> None:
        """Forget all failures, cuts, flips and short files."""
        with self.lock:
            for rules in (self._failures, self._cuts, self._flips, self._lengths):
                rules.clear()

    def served(self, path_contains: str = "", method: str | None = "GET") -> list[Request]:
        """The requests so far whose path contains a text."""
        with self.lock:
            return [
                request
                for request in self.requests
                if path_contains in request.path and method in (None, request.method)
            ]

    def environment(self, home: Path) -> dict[str, str]:
        """The variables with which a process takes this for the hub, with its cache in `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def close(self) -> None:
        """Stop, and end all connections."""
        for server in self._servers:
            server.stop()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def first(self, rules: list[Rule], method: str, path: str) -> Rule | None:
        with self.lock:
            return next((rule for rule in rules if rule.takes(method, path)), None)

    def commit(self, kind: str, repository: str, revision: str) -> tuple[str, Files]:
        with self.lock:
            if (kind, repository) not in self._commits:
                raise Failure(404, "RepoNotFound", "Repository not found")
            commits = self._commits[kind, repository]
            commit = self._branches[kind, repository].get(revision, revision)
            if commit not in commits:
                raise Failure(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return commit, commits[commit]

    def repository(self, kind: str, parts: list[str]) -> tuple[str, list[str]]:
        """The repository that a path begins with, and the rest of the path."""
        with self.lock:
            for length in (2, 1):
                if (kind, "/".join(parts[:length])) in self._commits:
                    return "/".join(parts[:length]), parts[length:]
        raise Failure(404, "RepoNotFound", "Repository not found")

    def blob(self, sha256: str) -> Blob:
        with self.lock:
            for commits in self._commits.values():
                for files in commits.values():
                    for blob in files.values():
                        if blob.sha256 == sha256:
                            return blob
        raise Failure(404, None, "no such content")
