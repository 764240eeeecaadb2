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
    packaged = closure(PACKAGE / "steps" / f"{step}.py", *map(Path, extra))
    for path in [*packaged, *map(Path, extra)]:
        state.update(f"{path.name}\n{_content(path)}\n".encode())
    return state.hexdigest()[:16]


def closure(step: Path, *extra: Path) -> list[Path]:
    """The step's file and all modules of the package that it and further files import, sorted by name."""
    found, waiting = set(), [step, *(path for file in extra for path in _imports(file))]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imports(path))
    return sorted(found)


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
def _imports(path: Path) -> tuple[Path, ...]:
    modules = _names(_tree(path))
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
