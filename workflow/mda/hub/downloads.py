"""Files from the Hugging Face hub: of a pinned commit only, and only with the pinned bytes.

`huggingface_hub` does the transfers: its cache (HF_HOME), its token (HF_TOKEN), HF_HUB_OFFLINE,
going on after a lost connection. What it gives is checked here, and its failures become one
sentence that says what to do.
"""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars

from mda.hub import pickled, pins
from mda.hub.pins import Kind, Pin, PinnedFile
from mda.runtime import files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Steps write to log files, in which bars are noise, and signed addresses of files have no place.
disable_progress_bars()
logging.getLogger("httpx2").setLevel(logging.WARNING)

SINGLE = constants.SAFETENSORS_SINGLE_FILE
INDEX = constants.SAFETENSORS_INDEX_FILE
PICKLE = constants.PYTORCH_WEIGHTS_NAME
SHARD = re.compile(r"[^/]+-\d{5}-of-\d{5}\.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

# Seconds before each further attempt, where the library itself makes none or has given up.
WAITS = (1, 2, 4, 8)
PASSING = (408, 429, 500, 502, 503, 504)
CONNECTION = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
INFORMATION_SECONDS = 60

Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """What is asked of the hub; reads as the beginning of a sentence."""

    kind: Kind
    repository: str
    revision: str
    commit: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.repository} at {self.revision}" + (f", {self.name}" if self.name else "")

    @property
    def page(self) -> str:
        """The repository's address."""
        return f"{constants.ENDPOINT}/{'datasets/' if self.kind == 'dataset' else ''}{self.repository}"


def fetch(pin: Pin, names: Collection[str] | None, folder: Path) -> None:
    """Copy files of a pinned commit, checked, into `folder`, each whole or not at all.

    Args:
        names: the files; None is all that are pinned.

    Raises:
        UserError: when one cannot be had, or is not what was pinned, or cannot be written.
    """
    for name in pin.names if names is None else names:
        source = file(pin, name)
        # A copy: a link would let an edit of the results damage the cache.
        with files.whole(folder / name) as part:
            shutil.copyfile(source, part)


def file(pin: Pin, name: str) -> Path:
    """One file of a pinned commit, checked: where it lies in the cache.

    Raises:
        UserError: when it is not pinned, cannot be had, or is not what was pinned.
    """
    pinned = pin.file(name)

    def fault(path: Path) -> str | None:
        size = path.stat().st_size
        if size != pinned.bytes:
            return f"it has {size} bytes, but {pinned.bytes} are pinned"
        digest = files.digest(path)
        return None if digest == pinned.sha256 else f"its SHA-256 is {digest}, but {pinned.sha256} is pinned"

    return _checked(Place(pin.kind, pin.repository, pin.revision, pin.commit, name), fault)


def checkpoint_files(names: Collection[str], where: object) -> list[str]:
    """The files of a checkpoint among a repository's: configuration and weights.

    Weights are safetensors where there are any, else one pickle of the usual name, which
    `checkpoint` converts.

    Raises:
        UserError: when there is no configuration, or no weights but other pickled ones.
    """
    if SINGLE in names:
        weights = [SINGLE]
    elif INDEX in names:
        weights = [INDEX, *sorted(name for name in names if SHARD.fullmatch(name))]
    elif PICKLE in names:
        weights = [PICKLE]
    else:
        pickles = sorted(name for name in names if name.endswith(PICKLES))
        if not pickles:
            raise UserError(f"{where}: has no weights ({SINGLE}); name a repository of a model")
        raise UserError(
            f"{where}: has its weights only as pickle ({pickles[0]}), which can run any code when it is "
            f"read, and is taken only as a single {PICKLE}; choose a revision with {SINGLE}, or convert it "
            "where that does no harm, and set model.checkpoint to the folder"
        )
    if "config.json" not in names:
        raise UserError(f"{where}: has no config.json; name a repository in the format of transformers")
    return ["config.json", *weights, *({"generation_config.json"} & set(names))]


def checkpoint(pin: Pin, folder: Path) -> None:
    """Copy a whole pinned checkpoint into `folder`, with weights in safetensors.

    A pickle stays in the cache: its tensors are written anew. `mda.hub.pickled` says why to read it
    is safe enough: the bytes are the pinned ones, the unpickler is restricted, only tensors go on.

    Raises:
        UserError: as `fetch`, `checkpoint_files` and `pickled.convert`, and when a part of the
            weights is not pinned.
    """
    where = Place(pin.kind, pin.repository, pin.revision)
    names = checkpoint_files(pin.names, where)
    if INDEX in names:
        shards = set(files.read_json(file(pin, INDEX)).get("weight_map", {}).values())
        missing = sorted(shards - set(names))
        if missing or not shards:
            raise UserError(
                f"{where}: {INDEX} names {missing[0] if missing else 'no file'}, which is not among the "
                "pinned files; choose another revision, the hub's copy of this one is not whole"
            )
    fetch(pin, [name for name in names if name != PICKLE], folder)
    if PICKLE in names:
        pickled.convert(file(pin, PICKLE), folder / SINGLE)


def resolve(kind: Kind, repository: str, revision: str, wanted: Sequence[str]) -> Pin:
    """What a revision stands for now: its commit, and size and SHA-256 of the wanted files.

    The hub knows the hash of large files; small ones are downloaded, and checked against git's.

    Args:
        wanted: names or patterns (`*.parquet`), or `pins.CHECKPOINT`.

    Raises:
        UserError: when the hub cannot be asked, or has no such repository, revision or file.
    """
    place = Place(kind, repository, revision)
    ask = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
    information = _patiently(
        lambda: ask(repository, revision=revision, files_metadata=True, timeout=INFORMATION_SECONDS), place
    )
    known = {sibling.rfilename: sibling for sibling in information.siblings or []}
    place = replace(place, commit=information.sha)
    pinned = [_pinned(replace(place, name=name), known[name]) for name in _chosen(wanted, known, place)]
    return Pin.model_validate(
        {
            "kind": kind,
            "repository": repository,
            "revision": revision,
            "commit": information.sha,
            "files": pinned,
        }
    )


def _chosen(wanted: Sequence[str], names: Collection[str], place: Place) -> list[str]:
    """The names that are wanted, each once."""
    chosen: list[str] = []
    for pattern in wanted:
        if pattern == pins.CHECKPOINT:
            chosen += checkpoint_files(names, place)
            continue
        matching = [pattern] if pattern in names else sorted(fnmatch.filter(names, pattern))
        if not matching:
            listed = ", ".join(sorted(names)[:5]) or "nothing"
            raise UserError(f"{place}: has no file {pattern}, but {listed}; mend the name")
        chosen += matching
    return list(dict.fromkeys(chosen))


def _pinned(place: Place, sibling) -> PinnedFile:
    """A file as the hub's metadata and, for a small one, its content give it."""
    assert place.name is not None
    if sibling.lfs is not None:
        return PinnedFile(name=place.name, bytes=sibling.lfs.size, sha256=sibling.lfs.sha256)

    def fault(path: Path) -> str | None:
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return None if blob == sibling.blob_id else f"its git hash is {blob}, not {sibling.blob_id}"

    path = _checked(place, fault)
    return PinnedFile(name=place.name, bytes=path.stat().st_size, sha256=files.digest(path))


def _checked(place: Place, fault: Callable[[Path], str | None]) -> Path:
    """A file in the cache without fault; a faulty one is deleted there and downloaded once more."""
    for _ in range(2):
        path = _patiently(lambda: _download(place), place)
        reason = fault(path)
        if reason is None:
            return path
        if constants.is_offline_mode():
            raise UserError(
                f"{place}: the file in the cache is damaged ({reason}); run once without HF_HUB_OFFLINE"
            )
        log.info("%s: %s; deleting it from the cache", place, reason)
        blob = path.resolve()
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
    raise UserError(
        f"{place}: {reason}, also when downloaded again; what answers at {constants.ENDPOINT} does not send "
        "the true file: try another network, or compare workflow/pins.csv with the repository's page"
    )


def _download(place: Place) -> Path:
    assert place.name is not None
    return Path(hf_hub_download(place.repository, place.name, repo_type=place.kind, revision=place.commit))


def _patiently(call: Callable[[], Result], place: Place) -> Result:
    """The result of a call, tried again after failures that pass.

    Raises:
        UserError: for all others, and when patience ends.
    """
    for wait in (*WAITS, None):
        try:
            return call()
        # The library raises its own kinds, those of httpx2, OSError, and from the Xet client RuntimeError.
        except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
            if wait is None or not _passes(error):
                raise UserError(_sentence(error, place)) from None
            wait = _retry_after(error) or wait
            log.info("%s: %s; trying again in %d s", place, type(error).__name__, wait)
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _passes(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    return isinstance(error, CONNECTION)


def _retry_after(error: Exception) -> int | None:
    """Seconds that the hub asked to wait, one more for their rounding."""
    value = error.response.headers.get("Retry-After", "") if isinstance(error, HfHubHTTPError) else ""
    return int(value) + 1 if value.isdigit() else None


def _sentence(error: Exception, place: Place) -> str:
    """What failed, where, and what to do."""
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        # Not in the cache; the cause is why it could not be fetched.
        error = error.__cause__
    if isinstance(error, HfHubHTTPError):
        return f"{place}: {_refusal(error, place)}"
    cache = constants.HF_HUB_CACHE
    missing = f"is not in the cache {cache}, and " if place.name else ""
    if isinstance(error, OfflineModeIsEnabled):
        return f"{place}: {missing}HF_HUB_OFFLINE forbids to ask {constants.ENDPOINT}; unset it"
    if isinstance(error, httpx2.TransportError):
        return (
            f"{place}: {missing}{constants.ENDPOINT} cannot be reached; check the network, then run the same "
            "command again"
        )
    if isinstance(error, HFValidationError):
        return f"{place}: is neither a folder here nor the name of a repository; write owner/name"
    if isinstance(error, OSError) and error.errno is not None:
        return (
            f"{place}: the cache {cache} cannot be written ({error.strerror}); free the disk, or set HF_HOME "
            "to a folder on another one"
        )
    if isinstance(error, UnicodeEncodeError):
        return f"{place}: HF_TOKEN has a character that no token has; copy it again"
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"{place}: cannot be downloaded ({reason}); run the same command again"


def _refusal(error: HfHubHTTPError, place: Place) -> str:
    """What the hub's answer means."""
    status = error.response.status_code
    remedy = "set HF_TOKEN to a token that may read it"
    if isinstance(error, GatedRepoError):
        return f"is gated; accept its terms at {place.page}, and {remedy}"
    if isinstance(error, RevisionNotFoundError) and place.commit is not None:
        return f"the hub no longer has commit {place.commit}; pin it again: {pins.COMMAND} UPDATE=1"
    if isinstance(error, RevisionNotFoundError):
        return f"there is no such revision; see the branches at {place.page}/tree/main"
    if isinstance(error, EntryNotFoundError):
        return f"there is no such file; see the files at {place.page}/tree/{place.commit or place.revision}"
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        return f"there is no such {place.kind} for everybody ({status}); check the name, or {remedy}"
    if status == 403:
        return f"the hub refuses access (403); {remedy}"
    if status == 429:
        return "the hub had too many requests (429); run the same command again in some minutes"
    return f"the hub answered {status}; run the same command again later"
