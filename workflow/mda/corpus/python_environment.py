"""The files of the Python environment: those of the standard library and of the pinned packages.

Only what comes with them, so that two machines with the same Python and the same pins have the same files.
Left out are packages that are installed besides, such as those for tests; what a machine makes (compiled
files, notes of the installer); and links that lead elsewhere.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import re
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from mda.config.corpus_sections import FilePattern
from mda.runtime import fingerprints

log = logging.getLogger(__name__)

# The files of exact versions, of which that for tests is none.
PINS = ("requirements.txt", "requirements-no-deps.txt")
# What an installer notes of its own in a package's *.dist-info. WHEEL and RECORD differ where it built the
# package.
NOTES = ("RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json", "uv_cache.json")
# Folders of the standard library that hold no part of it, and names of what its build writes.
NOT_LIBRARY = ("__pycache__", "site-packages", "dist-packages")
MADE_BY_BUILD = ("config-", "_sysconfigdata")


def labelled(patterns: Sequence[FilePattern]) -> Iterator[tuple[str, Path, str]]:
    """The files that some pattern matches, sorted by name: name, path and the label of the first that does.

    Names are lib/... in the standard library, and site-packages/... in packages.
    """
    joined = re.compile("|".join(f"({expression(pattern.glob)})" for pattern in patterns))
    files = {**_standard_library(Path(sysconfig.get_paths()["stdlib"])), **_packages()}
    for name in sorted(files):
        match = joined.fullmatch(f"{name}/")
        if match is not None and match.lastindex is not None:
            path, root = files[name]
            if not path.is_symlink() or path.resolve().is_relative_to(root.resolve()):
                yield name, path, patterns[match.lastindex - 1].label


def expression(glob: str) -> str:
    """A pattern of file names, as pathlib has them, for `re`, on a name that ends in a slash.

    ** stands for any number of folders, none too.
    """

    def piece(match: re.Match[str]) -> str:
        text = match[0]
        if text in "*?":
            return "[^/]*" if text == "*" else "[^/]"
        return text.replace("[!", "[^/") if len(text) > 1 else re.escape(text)

    parts = [
        "(?:[^/]+/)*" if part == "**" else re.sub(r"\[.+?\]|.", piece, part) + "/" for part in glob.split("/")
    ]
    return "".join(parts)


def _standard_library(root: Path) -> dict[str, tuple[Path, Path]]:
    """Name -> path and root of every file of the standard library that comes with it."""
    found = {}
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in NOT_LIBRARY and not name.startswith(MADE_BY_BUILD)]
        for name in names:
            if not name.startswith(MADE_BY_BUILD):
                path = Path(folder, name)
                found[f"lib/{path.relative_to(root).as_posix()}"] = (path, root)
    return found


def _packages() -> dict[str, tuple[Path, Path]]:
    """The same of the packages that are pinned, by the lists that came with them."""
    found, other = {}, []
    for name, version in pinned().items():
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            other.append(f"{name} (missing)")
            continue
        # A build has a name of its own after the plus: 2.13.0+cpu.
        if package.version.partition("+")[0] != version:
            other.append(f"{name} {package.version}")
        if package.files is None:
            other.append(f"{name} (without a list of its files)")
        root = Path(str(package.locate_file("")))
        for file in package.files or []:
            inside = ".." not in file.parts and "__pycache__" not in file.parts
            # What is written after the installation, such as compiled files, has no hash in the list.
            if inside and file.hash is not None and not _note(file):
                found[f"site-packages/{file.as_posix()}"] = (root / file, root)
    if other:
        log.info("not as envs/ pins them, so that the corpus is another one: %s", ", ".join(other))
    return found


def pinned() -> dict[str, str]:
    """Name -> version of the packages that envs/ pins."""
    lines = [
        line
        for name in PINS
        for line in (fingerprints.PACKAGE.parents[1] / "envs" / name).read_text().splitlines()
    ]
    return dict(re.findall(r"^([\w.-]+)==(\S+)", "\n".join(lines), re.MULTILINE))


def _note(file: importlib.metadata.PackagePath) -> bool:
    return file.parts[0].endswith(".dist-info") and file.name in NOTES
