"""Where a result comes from: the step that made it, its inputs, and what made those."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mda.runtime import files
from mda.runtime.errors import UserError

UNCHANGED, CHANGED, MISSING, ABSENT = "unchanged", "changed since", "missing", "was not there"


@dataclass
class Node:
    """A file or folder in the history of a result.

    Attributes:
        role: the argument that the step took it as; '' of the result itself.
        state: how it is now against what the step read; '' of the result itself.
        record: what it says of what made it, or None for what no step of this workflow made.
        again: whether its own history stands at an earlier place in the tree.
    """

    path: Path
    role: str = ""
    state: str = ""
    record: dict[str, Any] | None = None
    again: bool = False
    inputs: list[Node] = field(default_factory=list)

    def all(self) -> Iterator[Node]:
        """The node and all that it comes from."""
        yield self
        for node in self.inputs:
            yield from node.all()


def trace(path: Path) -> Node:
    """The history of a result, back to files that no step made.

    Raises:
        UserError: when the file is missing, cannot be read, or does not say what made it.
    """
    if not path.exists():
        raise UserError(
            f"{path}: there is no such file or folder; name a result, such as results/report.html"
        )
    record = record_of(path)
    if record is None:
        raise UserError(
            f"{path}: does not say what made it; it is no result of this workflow, or the record that lay "
            "beside it (*.made_by.json) was not copied with it"
        )
    return _node(path, "", "", record, set(), cache(files.describe))


def record_of(path: Path) -> dict[str, Any] | None:
    """What made a result: as it says itself, or as a record near it says; None if neither does.

    Raises:
        UserError: when the file is damaged.
    """
    try:
        text = files.made_by_of(path)
    except UserError:
        raise
    except Exception as error:  # every format has its own kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: cannot be read ({reason}); delete it and run again") from error
    if text is not None:
        return json.loads(text)
    if path.suffix == ".json" and path.name.endswith(".made_by.json"):
        return None
    # A folder that is a result speaks for its files.
    inside = files.made_by_of(path.parent)
    if inside is not None:
        return json.loads(inside)
    # A job has one record, beside the first of its outputs that cannot say it; others may lie elsewhere.
    for pattern in ("*.made_by.json", "../*.made_by.json", "../*/*.made_by.json"):
        for record in sorted(path.parent.glob(pattern)):
            told = files.read_json(record)
            if path.name in told.get("bytes", {}):
                return told["made_by"]
    return None


def _node(
    path: Path,
    role: str,
    state: str,
    record: dict[str, Any] | None,
    seen: set[Path],
    describe: Callable[[Path], Any],
) -> Node:
    node = Node(path, role, state, record)
    if record is None:
        return node
    if path in seen:
        node.again = True
        return node
    seen.add(path)
    places = record.get("places", {})
    for name, described in record["inputs"].items():
        many = described if isinstance(described, list) else [described]
        named = places.get(name)
        where = named if isinstance(named, list) else [named] * len(many)
        for one, place in zip(many, where, strict=True):
            node.inputs.append(_input(path, name, one, place, seen, describe))
    return node


def _input(
    path: Path, role: str, told: Any, place: str | None, seen: set[Path], describe: Callable[[Path], Any]
) -> Node:
    """A file that a step read, as it is now."""
    if place is None:
        # Of a version that did not note where its inputs were.
        return Node(Path(f"({told['bytes']:,} bytes)" if told else "(unknown)"), role, MISSING)
    found = _located(place, path)
    if told is None:
        return Node(found, role, ABSENT)
    if not found.exists():
        return Node(found, role, MISSING)
    state = UNCHANGED if describe(found) == told else CHANGED
    return _node(found, role, state, record_of(found), seen, describe)


def _located(place: str, result: Path) -> Path:
    """A place that was relative to the folder of a run, which may have been moved since."""
    if Path(place).is_absolute():
        return Path(place)
    here = Path.cwd()
    for folder in (*result.resolve().parents, here):
        found = folder / place
        if found.exists():
            return found.relative_to(here) if found.is_relative_to(here) else found
    return Path(place)
