"""Which code a step runs, as a fingerprint, so that reruns follow its content.

The fingerprint covers the step and every module of the package that it imports, directly or not.
Comments, docstrings, layout, modification times and the places of modules in the package do not change it.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

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
    tree = _tree(path)
    brought: set[str] = set()
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [kept for one in statements for kept in _without(one, brought)])
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256("\n".join([*sorted(brought), ast.unparse(tree)]).encode()).hexdigest()


def _without(statement: ast.stmt, brought: set[str]) -> list[ast.stmt]:
    """The statement; nothing for an import of the package, which is noted in `brought`."""
    if isinstance(statement, ast.ImportFrom) and _is_packaged(statement.module or ""):
        for alias in statement.names:
            module = _module(f"{statement.module}.{alias.name}")
            if module is not None:
                brought.add(f"{_digest(module)} as {alias.asname or alias.name}")
            elif (whole := _module(statement.module or "")) is not None:
                brought.add(f"{_digest(whole)} {alias.name} as {alias.asname or alias.name}")
        return []
    if isinstance(statement, ast.Import) and all(_is_packaged(alias.name) for alias in statement.names):
        for alias in statement.names:
            module = _module(alias.name)
            if module is not None:
                brought.add(f"{_digest(module)} as {alias.asname or alias.name}")
        return []
    return [statement]


def _is_packaged(module: str) -> bool:
    return module.split(".")[0] == PACKAGE.name


def _module(name: str) -> Path | None:
    """The file of a module of the package; None for a package, whose file has a docstring and the version."""
    path = PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
