"""Which code a step runs, as a fingerprint, so that reruns follow its content.

The fingerprint covers the step and every module of the package that it imports, directly or not.
Comments, docstrings, layout, modification times and the places of modules in the package do not change it.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]


def fingerprint(step: str, extra: tuple[str, ...] = ()) -> str:
    """Hash of a step's code and of further Python files (a user's probe).

    Args:
        step: its module below `mda.steps`, as `corpus.tokens`.
    """
    state = hashlib.sha256(_digest(step_file(step)).encode())
    for path in map(Path, extra):
        state.update(f"{path.name}\n{_digest(path)}\n".encode())
    return state.hexdigest()[:16]


def steps() -> list[str]:
    """All steps, as `fingerprint` takes them."""
    files = (PACKAGE / "steps").glob("*/[a-z]*.py")
    return sorted(f"{file.parent.name}.{file.stem}" for file in files)


def step_file(step: str) -> Path:
    """Where the source of a step is."""
    return PACKAGE.joinpath("steps", *step.split(".")).with_suffix(".py")


def beside(path: Path) -> dict[str, Path]:
    """The modules that a user's file imports from its own folder, directly or not, by name.

    Raises:
        SyntaxError, ValueError, OSError: when one cannot be read.
    """
    found: dict[str, Path] = {}
    waiting = [("", path)]
    while waiting:
        inside, file = waiting.pop()
        for name in _names(_tree(file), inside):
            place = path.parent.joinpath(*name.split("."))
            for module in (place.with_suffix(".py"), place / "__init__.py"):
                if name not in found and module.is_file() and module != path:
                    found[name] = module
                    waiting.append(
                        (name if module.name == "__init__.py" else name.rpartition(".")[0], module)
                    )
    return found


def _names(tree: ast.Module, inside: str = "") -> list[str]:
    """What a source imports, with the packages of each; `inside` is the package that it is of."""
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = inside.split(".")[: len(inside.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*filter(None, above), *filter(None, [node.module])])
            modules += [start, *(f"{start}.{alias.name}".lstrip(".") for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    parts = [module.split(".") for module in modules if module]
    return [".".join(part[: count + 1]) for part in parts for count in range(len(part))]


@cache
def _digest(path: Path) -> str:
    """Hash of a source and of all modules of the package that it imports, directly or not.

    An import of the package counts by what it brings: the module's own digest, the name in it and the name
    here. So it does not matter where in the package a module lies.
    """
    source, brought = _source(path), set()
    for module, name, here in source.imports:
        part, whole = _module(f"{module}.{name}" if name else module), _module(module)
        if part is not None:
            brought.add(f"{_digest(part)} as {here}")
        elif whole is not None:
            brought.add(f"{_digest(whole)} {name} as {here}")
    return hashlib.sha256("\n".join([*sorted(brought), source.code]).encode()).hexdigest()


class _Source(NamedTuple):
    """What counts of a source.

    Attributes:
        code: hash of the code without its imports of the package.
        imports: these: a module, the name in it (empty for the module itself), and what it is called here.
    """

    code: str
    imports: list[tuple[str, str, str]]


def _source(path: Path) -> _Source:
    """What counts of a source of the package or of a user's.

    Of those of the package it is kept from one process to the next, as long as the source stays the same.
    To find it for all of them takes a second, which each start of a workflow would pay.
    """
    content = path.read_bytes()
    if not path.is_relative_to(PACKAGE):
        return _parsed(path, content)
    kept, name = _kept(PACKAGE), path.relative_to(PACKAGE).as_posix()
    key = hashlib.sha256(content).hexdigest()
    if name not in kept.sources or kept.sources[name][0] != key:
        kept.sources[name] = (key, _parsed(path, content))
        kept.save_at_exit()
    return kept.sources[name][1]


def _parsed(path: Path, content: bytes) -> _Source:
    tree, imports = ast.parse(content, filename=str(path)), []
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                found = [(statement, _of_package(statement)) for statement in statements]
                imports += [brought for _, several in found for brought in several or []]
                setattr(node, field, [statement for statement, several in found if several is None])
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return _Source(hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), imports)


def _of_package(statement: ast.stmt) -> list[tuple[str, str, str]] | None:
    """What an import of the package brings, as in `_Source.imports`; None for any other statement."""
    if isinstance(statement, ast.ImportFrom) and _is_packaged(statement.module or ""):
        return [(statement.module or "", name.name, name.asname or name.name) for name in statement.names]
    if isinstance(statement, ast.Import) and all(_is_packaged(name.name) for name in statement.names):
        return [(name.name, "", name.asname or name.name) for name in statement.names]
    return None


class _Kept:
    """What is kept of the package's sources, in a file beside what Python keeps of them.

    Attributes:
        rule: what says how a source is read: this module, and the very Python.
    """

    rule = f"{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()} {sys.version}"

    def __init__(self, package: Path) -> None:
        """Read the file; one that is missing, broken or of another rule counts as empty."""
        self.file = package / "__pycache__" / f"sources.{sys.implementation.cache_tag}.json"
        self.sources, self.changed = self._read(), False

    def _read(self) -> dict[str, tuple[str, _Source]]:
        try:
            rule, entries = json.loads(self.file.read_text(encoding="utf-8"))
            if rule != self.rule:
                return {}
            return {
                name: (key, _Source(code, [(module, part, here) for module, part, here in imports]))
                for name, (key, code, imports) in entries.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def save_at_exit(self) -> None:
        """Write the file when this process ends, where Python writes such files, too."""
        if not self.changed and not sys.dont_write_bytecode:
            atexit.register(self._save)
        self.changed = True

    def _save(self) -> None:
        # Another process may have written it meanwhile; the package may belong to somebody else.
        entries = {name: (key, *source) for name, (key, source) in {**self._read(), **self.sources}.items()}
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(exist_ok=True)
            part = self.file.with_name(f"{self.file.name}.{os.getpid()}")
            try:
                part.write_text(json.dumps([self.rule, entries]), encoding="utf-8")
                part.replace(self.file)
            finally:
                part.unlink(missing_ok=True)


_kept = cache(_Kept)


def _is_packaged(module: str) -> bool:
    return module.split(".")[0] == PACKAGE.name


def _module(name: str) -> Path | None:
    """The file of a module of the package; None for a package, whose file has a docstring and the version."""
    path = PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def _tree(path: Path) -> ast.Module:
    # As bytes: a mark of byte order or a stated encoding is Python's to read.
    return ast.parse(path.read_bytes(), filename=str(path))
