"""Locks that end with their process, also on file systems that have none.

Some cluster file systems (Lustre mounted without `flock`) refuse to lock. The lock is then one on this
machine: processes on other machines are not seen. That keeps results whole, for every writer replaces
files at once; two that do the same on two machines would waste time.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO, NamedTuple

from mda.runtime.errors import UserError

# Not implemented, not supported, no locks left, refused by NFS.
WITHOUT = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


class Busy(Exception):
    """Another process has the lock."""


class Lock(NamedTuple):
    """A lock that is held until `stream` is closed, here and in processes that inherit it.

    Attributes:
        everywhere: whether processes on other machines see it, as far as the file system tells.
    """

    stream: IO[str]
    everywhere: bool


def take(path: Path, wait: bool, shared: bool = False) -> Lock:
    """Lock a file, which is made if there is none.

    Args:
        shared: others may have it at the same time, if they share it too.

    Raises:
        Busy: when another process has it, and `wait` is false.
        UserError: when neither the file nor one on this machine can be locked.
    """
    stream = path.open("a")
    try:
        _lock(stream, wait, shared)
        return Lock(stream, True)
    except OSError as error:
        stream.close()
        if error.errno not in WITHOUT:
            raise
        return Lock(_on_this_machine(path, wait, shared, error), False)
    except Busy:
        stream.close()
        raise


def _on_this_machine(path: Path, wait: bool, shared: bool, reason: OSError) -> IO[str]:
    """The same by a file of this user's, named after the path, on a disk of the machine's own."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    # The last two are on the machine, wherever TMPDIR points.
    for root in dict.fromkeys([tempfile.gettempdir(), "/tmp", "/dev/shm"]):  # noqa: S108
        folder = Path(root) / f"mda-locks-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            stream = (folder / name).open("a")
        except OSError:
            continue
        try:
            _lock(stream, wait, shared)
            return stream
        except OSError:
            stream.close()
        except Busy:
            stream.close()
            raise
    raise UserError(
        f"{path}: cannot be locked ({reason.strerror}), nor can a file on this machine; set TMPDIR to "
        "a folder on a local disk, or have the file system mounted with flock"
    )


def _lock(stream: IO[str], wait: bool, shared: bool) -> None:
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise Busy from None
