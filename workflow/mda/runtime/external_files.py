"""Input files that no rule makes. A change of their content, not of their date, reruns rules.

They are parameters of rules, never inputs: Snakemake takes an input by its date, runs again what is
older, and deletes what a job has just made when an input got a younger date meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from mda.runtime import files
from mda.runtime.errors import UserError

# Digests of large files, so that each is read once and not at every plan.
DIGESTS = Path(".snakemake") / "digests.json"
# The content of no file.
NOTHING = "none"

LARGE_BYTES = 32 * 2**20


def content(paths: Iterable[Path]) -> str:
    """What these files and folders hold, in short; names count inside of folders alone.

    Raises:
        UserError: when one does not exist or cannot be read.
    """
    held = [_content(path) for path in paths]
    return hashlib.sha256("\n".join(held).encode()).hexdigest()[:16] if held else NOTHING


def check(paths: Iterable[Path], planned: str) -> None:
    """Make sure that a step reads what the plan of the run has seen, if not `NOTHING`.

    Raises:
        UserError: when it has changed since.
    """
    paths = list(paths)
    if planned != NOTHING and content(paths) != planned:
        raise changed(", ".join(map(str, paths)))


def changed(what: str) -> UserError:
    """The error of a step whose source is not what the run was planned with."""
    return UserError(f"{what}: has changed since this run was planned; run the same command again")


def _content(path: Path) -> str:
    try:
        if not path.is_dir():
            return digest(path)
        members = {file.relative_to(path).as_posix(): digest(file) for file in files.members(path)}
        return json.dumps(members, sort_keys=True)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); mend the path") from error


def digest(path: Path) -> str:
    """SHA-256 of a file; of a large one from memory while its size, date and place on disk are the same."""
    status = path.stat()
    if status.st_size < LARGE_BYTES:
        return files.digest(path)
    state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    key = str(path.resolve())
    known = _known(str(DIGESTS.resolve()))
    if known.get(key, [None])[:-1] != state:
        known[key] = [*state, files.digest(path)]
        _remember(known)
    return known[key][-1]


@cache
def _known(place: str) -> dict[str, list]:
    try:
        known = json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(known: dict[str, list]) -> None:
    # It spares time alone, and may be lost.
    with suppress(OSError):
        DIGESTS.parent.mkdir(exist_ok=True)
        part = DIGESTS.with_name(f".digests.{uuid.uuid4().hex[:8]}.part")
        part.write_text(json.dumps(known), encoding="utf-8")
        os.replace(part, DIGESTS)
