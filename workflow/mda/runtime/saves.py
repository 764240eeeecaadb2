"""Keep the outputs of a finished training until Snakemake has accepted them.

Snakemake deletes the outputs of a job that it does not accept: one that was killed at its end, or
whose files come too late on a slow disk. So a job of hours finishes in a folder beside its saves,
and its outputs are hard links to what lies there, which take no room. Started again, it links them
anew. `accept` takes the folder away.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mda.runtime import files

FINISHED = "finished"

# What a file system says that has no hard links, or has too many of this file.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)


def folder(resume: Path) -> Path:
    """The folder of this very job's saves in `resume`: another configuration, code or input has another."""
    return resume / hashlib.sha256(files.made_by().encode()).hexdigest()[:16]


@contextmanager
def finishing(folder: Path, outputs: Sequence[Path]) -> Iterator[list[Path]]:
    """Give a place to write each output at; at the end they become the outputs, all whole.

    Args:
        folder: of this very job's saves, which go away, as do those of other settings beside it.
    """
    with files.whole(folder / FINISHED) as part:
        part.mkdir()
        yield [part / path.name for path in outputs]
    for path in [*folder.iterdir(), *folder.parent.iterdir()]:
        if path not in (folder, folder / FINISHED) and path.name != ".lock":
            files.remove(path)
    _publish(folder, outputs)


def take_up(folder: Path, outputs: Sequence[Path]) -> bool:
    """Make finished work that is there the outputs.

    Returns:
        Whether that is done, and nothing is left to compute.
    """
    if files.take_up(outputs):
        return True
    kept = [folder / FINISHED / path.name for path in outputs]
    if not all(path.exists() for path in kept):
        return False
    told = {files.made_by_of(path) for path in kept} - {None}
    if told != {files.made_by()}:
        shutil.rmtree(folder / FINISHED)
        return False
    _publish(folder, outputs)
    return True


def accept(resume: Path) -> None:
    """Forget finished work, whose outputs the workflow has accepted; unfinished stays.

    Args:
        resume: the folder of a job's saves, with a folder for each of its settings.
    """
    for kept in resume.glob(f"*/{FINISHED}"):
        shutil.rmtree(kept.parent, ignore_errors=True)
    if [path.name for path in resume.glob("*")] in ([], [".lock"]):
        forget(resume)


def forget(resume: Path) -> None:
    """Remove a job's saves, and the folders above up to that of all saves, as far as they are empty."""
    shutil.rmtree(resume, ignore_errors=True)
    with suppress(OSError):
        for parent in resume.parents:
            if "resume" not in parent.parts:
                break
            parent.rmdir()


def link(source: Path, place: Path) -> None:
    """Let a file or folder be at a second place of the same disk, without room; a copy where it cannot."""
    if source.is_dir():
        shutil.copytree(source, place, copy_function=_link_file)
    else:
        _link_file(source, place)


def _link_file(source: str | Path, place: str | Path) -> None:
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copyfile(source, place)


def _publish(folder: Path, outputs: Sequence[Path]) -> None:
    for path in outputs:
        with files.whole(path) as part:
            link(folder / FINISHED / path.name, part)
