"""A program in a terminal of its own, at which keys can be pressed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import subprocess
import termios
import threading
from collections.abc import Sequence
from pathlib import Path

CTRL_C = b"\x03"


class Terminal:
    """A pseudo-terminal with one program, in whose foreground it is; what it shows is kept in a file."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: dict[str, str], shown: Path
    ) -> None:
        # It is there from now on, whoever looks.
        shown.touch()
        self.keys, program = pty.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
            # The terminal is the session's, so that the key reaches every process in the foreground.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(program)
        threading.Thread(target=self._keep, args=(shown,), daemon=True).start()

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.keys, key)

    def _keep(self, shown: Path) -> None:
        # Reading fails once the last process has closed the terminal.
        with shown.open("ab") as file, contextlib.suppress(OSError):
            while part := os.read(self.keys, 4096):
                file.write(part)
                file.flush()
        os.close(self.keys)
