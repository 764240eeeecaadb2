"""The files of users' own probes, and the modules that these import from beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mda.config.unit_sections import Probe
from mda.runtime import fingerprints


def every(probes: Mapping[str, Probe]) -> tuple[str, ...]:
    """All files of these probes, sorted."""
    files = {probe.file for probe in probes.values() if probe.file is not None}
    beside = {str(path) for file in files for path in fingerprints.beside(Path(file)).values()}
    return tuple(sorted(files | beside))


def check(probes: Mapping[str, Probe]) -> None:
    """Look into the files of these probes without running them.

    Raises:
        ValueError: when one is missing or no Python, or two of a module's name lie in different folders: a
            process has one module of a name, so that the first would be both.
    """
    known: dict[str, Path] = {}
    for name, probe in probes.items():
        if probe.file is None:
            continue
        path = Path(probe.file)
        if not path.is_file():
            raise ValueError(f"probes.{name}.measure names the file {path}, which does not exist")
        helpers = _beside(name, path)
        for file in (path, *helpers.values()):
            try:
                compile(file.read_bytes(), str(file), "exec")
            except (SyntaxError, ValueError) as error:
                raise ValueError(f"probes.{name}.measure: {file} is not valid Python ({error})") from None
        for module, helper in helpers.items():
            first = known.setdefault(module, helper)
            if first.resolve() != helper.resolve():
                raise ValueError(f"probes.{name}: imports {helper}, and another probe {first}; rename one")


def _beside(name: str, path: Path) -> dict[str, Path]:
    try:
        return fingerprints.beside(path)
    except (SyntaxError, ValueError, OSError) as error:
        place = getattr(error, "filename", None) or path
        raise ValueError(f"probes.{name}.measure: {place} is not valid Python ({error})") from None
