"""The files of a published corpus, read by byte range: from a folder, or from the hub.

Nothing but the wanted bytes is asked for. What a read of a range can notice: a file whose size or
hash, as the server states it, is not the pinned one; a range that is not the asked one; a short body,
which is continued from where it stopped. What it cannot notice is a byte that was changed on the
way or at the server: the hash of a file is that of all its bytes, and no part of them can be held
against it. The ledger of batches has the hash of every batch as received, so that two machines,
or a read of the other format, can be compared.
"""

from __future__ import annotations

import itertools
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_stream_backoff

from mda.hub import pins
from mda.hub.pins import Pin, PinnedFile
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)
# It writes a line for each request, with addresses that are signed.
logging.getLogger("httpx2").setLevel(logging.WARNING)

REPIN = f"look at the repository's page, and pin it again if its change is wanted: {pins.COMMAND} UPDATE=1"

# Failures in a row without a byte between them, after which a read gives up; with the doubled waits
# of at most `LONGEST_WAIT` seconds that is about two minutes.
RETRIES = 8
LONGEST_WAIT = 30.0


class Shards(Protocol):
    """Files that can be read by range.

    Attributes:
        place: the folder or repository, for messages.
        names: the files' names, in order.
        sizes: their sizes in bytes.
    """

    place: str
    names: list[str]
    sizes: list[int]

    def read(self, file: int, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop` of one file."""
        ...


class FolderShards:
    """Files of a folder of this machine."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        """Take the sizes as they are.

        Raises:
            UserError: when a file is missing.
        """
        self.place, self.folder, self.names = str(folder), folder, names
        for name in names:
            if not (folder / name).is_file():
                raise UserError(f"corpus.tokenized.repository: the folder {folder} has no file {name}")
        self.sizes = [(folder / name).stat().st_size for name in names]

    def read(self, file: int, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop` of one file.

        Raises:
            UserError: when the file has become shorter.
        """
        path = self.folder / self.names[file]
        with path.open("rb") as stream:
            stream.seek(start)
            content = stream.read(stop - start)
        if len(content) != stop - start:
            raise UserError(
                f"{path}: ends at byte {start + len(content)}, but had {self.sizes[file]} bytes when the "
                "step began; wait until nobody writes it, then run again"
            )
        return content


class HubShards:
    """Files of a dataset on the hub at a pinned commit."""

    def __init__(self, pin: Pin, names: list[str]) -> None:
        """Take the sizes from the pin; nothing is asked of the server.

        Raises:
            UserError: when a file is not pinned.
        """
        self.pin, self.place = pin, f"{pin.repository} at {pin.revision}"
        self.files = [pin.file(name) for name in names]
        self.names = names
        self.sizes = [file.bytes for file in self.files]

    def read(self, file: int, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop` of one file.

        Statuses 408, 429 and 5xx are asked again after the time that the server names; a lost
        connection goes on after the last byte that arrived.

        Raises:
            UserError: when the server has another file than the pinned one, refuses, or stays
                out of reach.
        """
        received, failures = bytearray(), 0
        while len(received) < stop - start:
            before = len(received)
            try:
                self._receive(self.files[file], start, stop, received)
                reason = "the connection ended early"
            except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
                reason = str(error) or type(error).__name__
            except (httpx2.HTTPError, OSError) as error:
                raise self._explained(self.files[file], error) from None
            if len(received) < stop - start:
                failures = 1 if len(received) > before else failures + 1
                if failures > RETRIES:
                    raise UserError(
                        f"{self.names[file]} of {self.place} cannot be read ({reason}); check the network "
                        "and HF_ENDPOINT, and run the same command again: it goes on after the last whole "
                        "batch"
                    )
                log.info("%s, byte %d: %s; trying again", self.names[file], start + len(received), reason)
                time.sleep(min(2.0 ** (failures - 1), LONGEST_WAIT))
        return bytes(received)

    def _receive(self, file: PinnedFile, start: int, stop: int, received: bytearray) -> None:
        begin = start + len(received)
        url = hf_hub_url(self.pin.repository, file.name, repo_type=self.pin.kind, revision=self.pin.commit)
        # A compressed answer would be the whole file: ranges count bytes of what is sent.
        headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={begin}-{stop - 1}"}
        # The client retries statuses; exceptions are ours, for it cannot retry inside the block.
        with http_stream_backoff(
            "GET",
            url,
            headers=headers,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            max_retries=RETRIES,
            max_wait_time=LONGEST_WAIT,
            retry_on_exceptions=(),
        ) as response:
            self._check(file, response, begin, stop)
            for block in response.iter_bytes():
                received += block[: stop - start - len(received)]

    def _check(self, file: PinnedFile, response: httpx2.Response, begin: int, stop: int) -> None:
        """Hold what the server says against the pin and the asked range, before any byte is taken."""
        answers = [*response.history, response]
        stated = _first(answers, "X-Linked-Etag") or answers[0].headers.get("ETag") or ""
        etag = stated.removeprefix("W/").strip('"')
        # The hub names large files by their SHA-256; other tags say nothing of it.
        if re.fullmatch("[0-9a-f]{64}", etag) and etag != file.sha256:
            raise UserError(
                f"{file.name} of {self.place} has the SHA-256 {etag} at the server, but {file.sha256} is "
                f"pinned; {REPIN}"
            )
        commit = _first(answers, "X-Repo-Commit")
        if commit is not None and commit != self.pin.commit:
            raise UserError(
                f"{file.name} of {self.place}: {self.pin.commit} is pinned, but the server answers for "
                f"commit {commit}; check HF_ENDPOINT"
            )
        said = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", said)
        size = int(match[3]) if match else int(_first(answers, "X-Linked-Size") or file.bytes)
        if response.status_code in (206, 416) and size != file.bytes:
            raise UserError(
                f"{file.name} of {self.place} has {size:,} bytes at the server, but {file.bytes:,} are "
                f"pinned; {REPIN}"
            )
        hf_raise_for_status(response)
        wanted = match is not None and match[1] == str(begin) and int(match[2]) < stop
        if response.status_code != 206 or not wanted:
            raise UserError(
                f"{file.name} of {self.place}: the server answers with status {response.status_code} and "
                f"range '{said}' to a request of bytes {begin}-{stop - 1}; set HF_ENDPOINT to a server that "
                "knows byte ranges, or name a folder with the files in corpus.tokenized.repository"
            )

    def _explained(self, file: PinnedFile, error: Exception) -> UserError:
        what = f"{file.name} of {self.place}"
        if isinstance(error, OfflineModeIsEnabled):
            return UserError(
                f"{what} cannot be read, for HF_HUB_OFFLINE is set; unset it, or name a folder with the "
                "files in corpus.tokenized.repository"
            )
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        advice = {
            401: "log in with `hf auth login`, or set HF_TOKEN, and check the repository's name",
            403: "ask for access on the repository's page, and set HF_TOKEN to a token that may read it",
            404: f"check HF_ENDPOINT and the repository's page, and pin it again: {pins.COMMAND} UPDATE=1",
        }
        if status in advice:
            return UserError(f"{what} cannot be read (status {status}); {advice[status]}")
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return UserError(
            f"{what} cannot be read ({reason}); check the network and HF_ENDPOINT, "
            "and run the same command again: it goes on after the last whole batch"
        )


def _first(answers: list[Any], header: str) -> str | None:
    """A header of the first answer that has it: the hub's own, before it redirects."""
    return next((answer.headers[header] for answer in answers if header in answer.headers), None)


@dataclass(frozen=True)
class Span:
    """The bytes from `start` to before `stop` of a file, named by its number."""

    file: int
    start: int
    stop: int


class ByteStream:
    """Files as one stream of bytes, cut anywhere.

    Attributes:
        size: bytes in all.
    """

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.borders = [0, *itertools.accumulate(shards.sizes)]
        self.size = self.borders[-1]

    def spans(self, start: int, stop: int) -> list[Span]:
        """Where the bytes from `start` to before `stop` lie, in order."""
        return [
            Span(file, max(start, begin) - begin, min(stop, end) - begin)
            for file, (begin, end) in enumerate(itertools.pairwise(self.borders))
            if max(start, begin) < min(stop, end)
        ]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`.

        Raises:
            UserError: when the stream ends before `stop`.
        """
        if stop > self.size:
            raise UserError(
                f"{self.shards.place}: its {len(self.shards.names)} files have {self.size:,} bytes, "
                f"but byte {stop:,} was asked for"
            )
        return b"".join(
            self.shards.read(span.file, span.start, span.stop) for span in self.spans(start, stop)
        )
