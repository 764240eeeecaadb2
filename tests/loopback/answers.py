"""What the hub says of repositories, folders and files, in the form that its clients read."""

from __future__ import annotations

import hashlib
import re

from loopback.content import Blob, Failure, Files


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
