"""The two ports of the hub: they answer what is asked, and fail as the hub was told."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

from loopback.answers import byte_range, information, paths_information, tree
from loopback.content import Blob, Failure, Headers

if TYPE_CHECKING:
    from loopback.hub import Hub

CHUNK = 2**16
CONNECTIONS = 64
IDLE_SECONDS = 30

# The client asks it once, to describe itself; no test cares.
HARNESSES = "/api/agent-harnesses"


@dataclass
class Request:
    """One request, as answered."""

    method: str
    path: str
    range: str | None
    status: int
    bytes_sent: int = 0
    authorized: bool = False


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
