"""Which code a step runs, as a fingerprint, so that reruns follow its content.

The fingerprint covers the step and every local module that it imports, directly or not.
Comments, docstrings, layout and modification times do not change it.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def fingerprint(step: str, extra: tuple[str, ...] = ()) -> str:
    """Hash of a step's code and of further Python files (a user's probe)."""
    state = hashlib.sha256()
    for path in [*closure(PACKAGE / "steps" / f"{step}.py"), *map(Path, extra)]:
        state.update(f"{path.name}\n{_content(path)}\n".encode())
    return state.hexdigest()[:16]


def closure(step: Path) -> list[Path]:
    """The step's file and all local modules that it imports, sorted by name."""
    found, waiting = set(), [step]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imports(path))
    return sorted(found)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    modules = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    files = [PACKAGE.parent.joinpath(*module.split(".")) for module in modules]
    files = [file.with_suffix(".py") for file in files]
    # The packages' own files hold a docstring and the version, which changes no result.
    return tuple(file for file in files if file.is_relative_to(PACKAGE) and file.is_file())


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _content(path: Path) -> str:
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
