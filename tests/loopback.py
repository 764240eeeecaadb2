"""A small Hugging Face hub on this machine, for tests that run the real client libraries.

    with Hub() as hub:
        commit = hub.add("model", "owner/name", "step0", {"config.json": b"{}"})
        subprocess.run(..., env={**os.environ, **hub.environment(tmp_path)})

It speaks what `huggingface_hub` asks for: `/api/{models,datasets}/...` (information, tree,
paths-info) and `/{repository}/resolve/{revision}/{file}`, which redirects large files to a second
port, the content network, as the real hub does. And it fails as told: status codes, connections cut
in the middle of a body, flipped bytes, short files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, quote, unquote, urlsplit

CHUNK = 2**16
CONNECTIONS = 64
IDLE_SECONDS = 30

# What the hub keeps outside git, so that it knows the SHA-256; other files are in git itself.
LARGE = {".safetensors", ".bin", ".npy", ".parquet", ".pt", ".h5", ".zst", ".gz", ".idx"}
LARGE_BYTES = 2**20

# The client asks it once, to describe itself; no test cares.
HARNESSES = "/api/agent-harnesses"

Headers = dict[str, str]


@dataclass
class Request:
    """One request, as answered."""

    method: str
    path: str
    range: str | None
    status: int
    bytes_sent: int = 0
    authorized: bool = False


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


@dataclass(frozen=True)
class Blob:
    """The content of one file."""

    content: bytes
    large: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def git(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.git


Files = dict[str, Blob]


class Failure(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str | None, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **(headers or {})}
        if code is not None:
            self.headers["X-Error-Code"] = code


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


class Server(ThreadingHTTPServer):
    """One port, with a bounded number of connections, each in a thread that ends with the process."""

    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.open: set[socket.socket] = set()
        self.slots = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def process_request(self, request, client_address) -> None:
        self.slots.acquire()
        with self.hub.lock:
            self.open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.hub.lock:
                self.open.discard(request)
            self.slots.release()

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no error."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self.hub.lock:
            connections = list(self.open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: Server

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `Hub.requests` has it all."""

    def answer(self) -> None:
        hub = self.server.hub
        # A body that is not read would be taken for the next request.
        self.posted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == HARNESSES:
            self.send_json({"standardEnvVars": [], "harnesses": {}}, record=False)
            return
        try:
            rule = hub.first(hub._failures, self.command, self.path)
            if rule is not None:
                raise Failure(rule.status, None, "told to fail", rule.headers)
            parts = [unquote(part) for part in path.strip("/").split("/")]
            if parts[0] == "content":
                self.content(hub.blob(parts[1]))
            else:
                self.check_token()
                if parts[0] == "api":
                    self.api(parts[1:])
                else:
                    self.resolve(parts)
        except Failure as failure:
            body = json.dumps({"error": str(failure)}).encode()
            headers = {"Content-Type": "application/json", **failure.headers}
            self.reply(failure.status, headers, body)

    def check_token(self) -> None:
        expected = self.server.hub.token
        if expected is not None and self.headers.get("Authorization") != f"Bearer {expected}":
            raise Failure(401, None, "Invalid username or password.")

    def api(self, parts: list[str]) -> None:
        hub = self.server.hub
        kind = {"models": "model", "datasets": "dataset"}.get(parts[0])
        if kind is None:
            raise Failure(404, None, "Sorry, we can't find the page you are looking for.")
        repository, rest = hub.repository(kind, parts[1:])
        action, arguments = (rest[0], rest[1:]) if rest else ("revision", ["main"])
        commit, files = hub.commit(kind, repository, arguments[0] if arguments else "main")
        if action == "revision":
            blobs = parse_qs(urlsplit(self.path).query).get("blobs", [""])[0].lower() == "true"
            self.send_json(information(repository, commit, files, blobs))
        elif action == "tree":
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", [""])[0].lower()
            self.send_json(tree(files, "/".join(arguments[1:]), recursive in ("true", "1")))
        elif action == "paths-info":
            self.send_json(paths_information(files, self.posted_paths()))
        else:
            raise Failure(404, None, "Sorry, we can't find the page you are looking for.")

    def posted_paths(self) -> list[str]:
        if "json" in self.headers.get("Content-Type", ""):
            return json.loads(self.posted)["paths"]
        return parse_qs(self.posted.decode())["paths"]

    def resolve(self, parts: list[str]) -> None:
        hub = self.server.hub
        kind = "dataset" if parts[0] == "datasets" else "model"
        repository, rest = hub.repository(kind, parts[1:] if kind == "dataset" else parts)
        if len(rest) < 3 or rest[0] != "resolve":
            raise Failure(404, None, "Sorry, we can't find the page you are looking for.")
        commit, files = hub.commit(kind, repository, rest[1])
        name = "/".join(rest[2:])
        if hub.gated:
            status = 403 if "Authorization" in self.headers else 401
            raise Failure(status, "GatedRepo", f"Access to model {repository} is restricted.")
        if name not in files:
            raise Failure(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        blob = files[name]
        about = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not blob.large:
            self.send_bytes(blob, {**about, "ETag": f'"{blob.etag}"'})
            return
        place = quote(f"/content/{blob.sha256}/{repository}/{commit}/{name}")
        about |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(len(blob.content))}
        self.reply(302, {**about, "Location": hub.content_url + place}, b"")

    def content(self, blob: Blob) -> None:
        """What the content network sends; its ETag is its own."""
        etag = hashlib.md5(blob.content).hexdigest()
        self.send_bytes(blob, {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"})

    def send_bytes(self, blob: Blob, headers: Headers) -> None:
        hub, content = self.server.hub, blob.content
        flip = hub.first(hub._flips, self.command, self.path)
        if flip is not None and flip.number < len(content):
            changed = bytearray(content)
            changed[flip.number] ^= 1
            content = bytes(changed)
        length = hub.first(hub._lengths, self.command, self.path)
        if length is not None:
            content = content[: length.number]
        headers = {"Content-Type": "application/octet-stream", **headers}
        wanted = byte_range(self.headers.get("Range"), len(content))
        if wanted is None:
            self.reply(200, headers, content)
        elif not wanted:
            self.reply(416, {**headers, "Content-Range": f"bytes */{len(content)}"}, b"")
        else:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(content)}"
            self.reply(206, headers, content[wanted.start : wanted.stop])

    def send_json(self, value: object, record: bool = True) -> None:
        self.reply(200, {"Content-Type": "application/json"}, json.dumps(value).encode(), record)

    def reply(self, status: int, headers: Headers, body: bytes, record: bool = True) -> None:
        hub = self.server.hub
        request = Request(
            self.command, self.path, self.headers.get("Range"), status, 0, "Authorization" in self.headers
        )
        if record:
            with hub.lock:
                hub.requests.append(request)
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = hub.first(hub._cuts, self.command, self.path) if body and status < 300 else None
        for start in range(0, len(body) if cut is None else min(cut.number, len(body)), CHUNK):
            stop = min(start + CHUNK, len(body) if cut is None else cut.number)
            # Counted before it is sent, so that a client that has it all finds it counted.
            request.bytes_sent = stop
            self.wfile.write(body[start:stop])
        if cut is not None:
            self.close_connection = True
            if cut.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Real once the handler has let go of it, before the server would end it politely.
                self.connection.close()


def information(repository: str, commit: str, files: Files, blobs: bool) -> dict:
    """What the hub says of a repository at a commit."""
    siblings = []
    for name, blob in files.items():
        sibling: dict = {"rfilename": name}
        if blobs:
            sibling |= {"size": len(blob.content), "blobId": blob.git}
            if blob.large:
                sibling["lfs"] = {"sha256": blob.sha256, "size": len(blob.content), "pointerSize": 135}
        siblings.append(sibling)
    return {
        "_id": commit[:24],
        "id": repository,
        "author": repository.partition("/")[0],
        "sha": commit,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": siblings,
    }


def tree(files: Files, folder: str, recursive: bool) -> list[dict]:
    """The entries of a folder, folders first seen first."""
    prefix = f"{folder}/" if folder else ""
    inside = [name for name in files if name.startswith(prefix)]
    if folder and not inside:
        raise Failure(404, "EntryNotFound", f"{folder} does not exist")
    entries: dict[str, dict] = {}
    for name in inside:
        parts = name[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            path = prefix + "/".join(parts[:depth])
            entries[path] = folder_information(path)
        if recursive or len(parts) == 1:
            entries[name] = file_information(name, files[name])
    return list(entries.values())


def paths_information(files: Files, paths: list[str]) -> list[dict]:
    """What the hub says of some paths; those that do not exist are left out."""
    entries = []
    for path in paths:
        if path in files:
            entries.append(file_information(path, files[path]))
        elif any(name.startswith(f"{path}/") for name in files):
            entries.append(folder_information(path))
    return entries


def folder_information(path: str) -> dict:
    return {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}


def file_information(path: str, blob: Blob) -> dict:
    entry: dict = {"type": "file", "path": path, "oid": blob.git, "size": len(blob.content)}
    if blob.large:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 135}
    return entry


def byte_range(header: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for: None without one, empty when it lies outside."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    stop = min(int(match[2]) + 1, size) if match[2] else size
    return range(int(match[1]), stop)
