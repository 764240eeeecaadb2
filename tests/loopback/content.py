"""What the hub keeps, and the errors that it answers with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

Headers = dict[str, str]


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
