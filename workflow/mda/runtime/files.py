"""Read and write results: a file is whole or absent, and says what made it.

Every writer goes through `whole`, which writes beside the destination, syncs and renames,
so that a kill or a full disk never leaves a half-written file under a result's name.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mda.runtime import locks
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

# What made the results of this process: step, parameters, package versions, input hashes.
# Set once by `mda.runtime.cli`; a library user may leave it empty.
_made_by: dict[str, Any] = {}

# Larger inputs are named by size and ends: hashing them would cost more than many a step.
HASHED_BYTES = 256 * 2**20

STALE_SECONDS = 24 * 3600


def set_made_by(record: dict[str, Any]) -> None:
    """Declare what the results written from now on are made by."""
    _made_by.clear()
    _made_by.update(record)


def made_by() -> str:
    """What made the current results, as one line of JSON."""
    return json.dumps(_made_by, sort_keys=True)


def members(folder: Path) -> list[Path]:
    """A folder's files, sorted; hidden ones are of other programs: Snakemake's date, a download's locks."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def as_text(name: str) -> str:
    """A file's name as text, which a name that is not UTF-8 is not."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files and names in order."""
    state = hashlib.sha256()
    for file in members(path) if path.is_dir() else [path]:
        if path.is_dir():
            state.update(os.fsencode(file.relative_to(path)))
        with file.open("rb") as stream:
            for block in iter(lambda: stream.read(2**20), b""):
                state.update(block)
    return state.hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of an input; beyond `HASHED_BYTES` that of its files' ends."""
    files = members(path) if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    if size > HASHED_BYTES:
        return {"bytes": size, "sha256_of_ends": _digest_of_ends(files)}
    return {"bytes": size, "sha256": digest(path)}


def _digest_of_ends(files: list[Path]) -> str:
    state = hashlib.sha256()
    for file in sorted(files):
        with file.open("rb") as stream:
            state.update(stream.read(2**20))
            stream.seek(max(0, file.stat().st_size - 2**20))
            state.update(stream.read(2**20))
    return state.hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path`, else it is removed.

    Works for files and folders. A folder that exists is replaced. What a killed process left
    beside `path` more than `STALE_SECONDS` ago goes away too.

    Raises:
        UserError: when the disk is full or the place cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _sync(part)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(part, path)
        _remove_stale(path)
    except Exception as error:
        reason = _unwritable(error)
        if reason is None:
            raise
        raise UserError(
            f"{path}: cannot be written ({reason}); free the disk or mend the folder's permissions, "
            "then run the same command again"
        ) from error
    finally:
        remove(part)


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` for what is needed on the way; that of a killed process goes away."""
    place = out.with_name(f".{out.name}.work")
    remove(place)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        remove(place)


def _remove_stale(path: Path) -> None:
    for part in path.parent.glob(f".{path.name}.*.part"):
        # A younger one may belong to a process that is still writing.
        if time.time() - part.stat().st_mtime > STALE_SECONDS:
            remove(part)


def remove(part: Path) -> None:
    """Remove a file or folder, if it is there."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _unwritable(error: Exception) -> str | None:
    """What the system said when a write failed, or None for another error."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # safetensors wraps the system's error in a class of its own.
    return str(error) if "os error" in str(error).lower() else None


def _sync(part: Path) -> None:
    for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.aside")


def set_aside(outputs: Sequence[Path]) -> None:
    """Keep the results of a job that is going to be started again, if all of them are there."""
    if outputs and all(path.exists() for path in outputs):
        for path in outputs:
            remove(_aside(path))
            path.replace(_aside(path))


def take_up(outputs: Sequence[Path]) -> bool:
    """Make what was set aside the results, if the same made it; else remove it.

    Returns:
        Whether that is done, and nothing is left to compute.
    """
    kept = [_aside(path) for path in outputs]
    told = [made_by_of(path) for path in kept] if kept and all(path.exists() for path in kept) else []
    same = any(told) and all(record in (None, made_by()) for record in told)
    for path, part in zip(outputs, kept, strict=True):
        if same:
            # Younger than the inputs, which may have been made again, of the same content.
            os.utime(part)
            part.replace(path)
        else:
            remove(part)
    return same


def made_by_of(path: Path) -> str | None:
    """What a result says of what made it, as `made_by` gives it; None of formats that do not say."""
    suffix = path.name.removesuffix(".aside").rpartition(".")[2]
    if path.is_dir():
        # A checkpoint.
        record = path / "made_by.json"
        return record.read_text(encoding="utf-8").strip() if record.is_file() else None
    if suffix == "parquet":
        import pyarrow.parquet as pq

        return (pq.read_schema(path).metadata or {}).get(b"made_by", b"").decode() or None
    if suffix == "safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as tensors:
            return (tensors.metadata() or {}).get("made_by")
    if suffix == "png":
        from PIL import Image

        with Image.open(path) as image:
            return image.info.get("Description")
    if suffix == "pdf":
        # A literal string of PDF, as matplotlib writes it: with a backslash before these three.
        keywords = re.search(rb"/Keywords \(((?:\\.|[^\\)])*)\)", path.read_bytes(), re.DOTALL)
        return None if keywords is None else re.sub(rb"\\([\\()])", rb"\1", keywords[1]).decode() or None
    if suffix == "html":
        found = re.search(r'<meta name="made_by" content="([^"]*)">', path.read_text(encoding="utf-8"))
        return None if found is None else html.unescape(found[1])
    if suffix == "json":
        told = read_json(path).get("made_by")
        return None if told is None else json.dumps(told, sort_keys=True)
    return None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process works in `folder`; the system ends the claim with the process.

    An orphan of a killed workflow may still be training the same run.

    Raises:
        UserError: when nothing can be locked; see `mda.runtime.locks`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = locks.take(folder / ".lock", wait=False)
    except locks.Busy:
        log.info("waiting for another process that works in %s", folder)
        lock = locks.take(folder / ".lock", wait=True)
    with lock.stream:
        if not lock.everywhere:
            log.warning("%s: this file system has no locks; a process of another machine is not seen", folder)
        yield


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write readable JSON, with what made it under `made_by`."""
    record = {**value, "made_by": _made_by}
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    import numpy as np

    with whole(path) as part, part.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def map_array(path: Path) -> np.ndarray:
    """Memory-map an .npy array.

    Raises:
        UserError: when the file is missing or shorter than its header says.
    """
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: is missing, truncated or no NumPy array ({error}); delete it and run again"
        ) from error
