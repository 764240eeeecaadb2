"""The configuration reference: types and ranges from the schema, defaults and meanings from config.yaml."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from markdown_text import code, prose, table
from mda.config.unit_sections import PLACE

# Above a key of config.yaml: an example of keys that the default does not have.
EXAMPLE = re.compile(r"^(\s*)#   (.*)$")
# What patterns of texts say in words.
PATTERNS = {
    r"^#[0-9a-fA-F]{6}$": "a colour such as #c1272d",
    PLACE: "a place such as L1.mlp",
}
# What functions that check a text say.
CHECKED = {"_name": "a name: lower-case letters and digits, joined by hyphens, at most 100 characters"}
# Mappings whose keys are the user's names of sections.
FREE = ("probes", "trace.checkpoints")
WORDS = {
    "int": "whole number", "float": "number", "str": "text", "bool": "true or false",
    "Path": "path of a file", "Any": "any value",
}  # fmt: skip
# Seeds and sizes end where JSON does, which nobody needs to know.
UNSAID = 2**53


@dataclass(frozen=True)
class Key:
    """A key of the configuration.

    Attributes:
        path: dotted; `[]` marks an item of a list, `*` a key that the user names.
        kind: type and range, in words.
        default: as in config.yaml; None where config.yaml gives an example alone.
        meaning: the comment above it in config.yaml, or above the section that explains it.
        section: whether it holds keys that have rows of their own.
    """

    path: str
    kind: str
    default: str | None
    meaning: str
    section: bool


def keys(schema: type[BaseModel], text: str) -> list[Key]:
    """Every key of the schema, in its order in config.yaml.

    Args:
        schema: the whole configuration.
        text: of config.yaml.

    Raises:
        ValueError: for a key that has no comment, or that only one of the two knows.
    """
    kinds = dict(_kinds(schema, ""))
    comments = _comments(_with_examples(text))
    defaults = _defaults(yaml.safe_load(text))
    # Keys of transformers, which explains them itself.
    comments = {path: told for path, told in comments.items() if not path.startswith("model.settings.")}
    if comments.keys() != kinds.keys():
        differ = sorted(comments.keys() ^ kinds.keys())
        raise ValueError(f"config.yaml and the schema do not name the same keys: {', '.join(differ)}")
    found: list[Key] = []
    for path, meaning in comments.items():
        kind, section = kinds[path]
        inside = [other for other in comments if _inside(other, path)]
        # Explained as a whole, as colours are, and targets where they are named again.
        whole = section and not any(comments[other] for other in inside)
        if found and not found[-1].section and _inside(path, found[-1].path):
            continue
        if not meaning:
            raise ValueError(f"config.yaml: {path} has no comment that says what it means")
        found.append(Key(path, kind, defaults.get(path), meaning, section and not whole))
    return found


def _inside(path: str, section: str) -> bool:
    return re.match(rf"{re.escape(section)}(\[\])?\.", path) is not None


def tables(found: list[Key]) -> str:
    """A table for each section at the top of config.yaml."""
    lines = []
    for top in dict.fromkeys(key.path.split(".")[0].removesuffix("[]") for key in found):
        mine = [key for key in found if re.match(rf"{re.escape(top)}(\[\])?(\.|$)", key.path)]
        lines.append(f"## {top}\n")
        if mine[0].section:
            lines.append(f"{prose(mine[0].meaning)}\n")
        rows = [_row(key, top) for key in mine if not (key.section and key.path == top)]
        lines.append(table(["Key", "Type and range", "Default", "Meaning"], rows))
    return "\n".join(lines)


def _row(key: Key, top: str) -> list[str]:
    name = key.path.removeprefix(top).removeprefix("[]").removeprefix(".") or top
    listed = key.kind.startswith("list")
    default = "" if key.default is None or (key.section and not listed) else code(key.default)
    anchor = re.sub(r"[^a-z0-9_]+", "-", key.path.lower()).strip("-")
    return [f'<span id="{anchor}"></span>{code(name)}', key.kind, default, prose(key.meaning)]


def _kinds(schema: type[BaseModel], prefix: str) -> Iterator[tuple[str, tuple[str, bool]]]:
    """Path -> type and range in words, and whether it is a section."""
    for name, field in schema.model_fields.items():
        path = prefix + name
        annotated = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        kind, inner, mark = _in_words(annotated)
        yield path, (kind, inner is not None)
        if inner is not None:
            yield from _kinds(inner, f"{path}{mark}.")


def _in_words(annotation: Any) -> tuple[str, type[BaseModel] | None, str]:
    """A type in words, the section in it, and the mark of its place: '[]' of a list, '.*' of a mapping."""
    metadata: list[Any] = []
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*more, *metadata]
    limits = [limit for each in metadata for limit in getattr(each, "metadata", [each])]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section", annotation, ""
    if origin in (Union, types.UnionType):
        parts = [_in_words(part) for part in arguments if part is not type(None)]
        held = next((part for part in parts if part[1] is not None), ("", None, ""))
        words = " or ".join(part[0] for part in parts)
        words = _limited(words, limits)
        return (f"{words}, or null" if type(None) in arguments else words), held[1], held[2]
    if origin is Literal:
        return "one of " + ", ".join(code(value) for value in arguments), None, ""
    if origin is list:
        kind, inner, mark = _in_words(arguments[0])
        words = "list of sections" if inner is not None else f"list of: {kind}"
        if any(getattr(limit, "min_length", 0) for limit in limits):
            words += "; at least one"
        if any(getattr(getattr(limit, "func", None), "__name__", "") == "_unique" for limit in limits):
            words += "; none twice"
        return words, inner, f"[]{mark}"
    if origin is tuple:
        return f"pair of: {_in_words(arguments[0])[0]}", None, ""
    if origin is dict:
        kind, inner, mark = _in_words(arguments[1])
        name = _in_words(arguments[0])[0]
        words = "mapping of your names to sections" if inner else f"mapping: {name} to {kind}"
        return words, inner, f".*{mark}"
    return _limited(WORDS[getattr(annotation, "__name__", "Any")], limits), None, ""


def _limited(words: str, limits: list[Any]) -> str:
    for limit in limits:
        pattern = getattr(limit, "pattern", None)
        if pattern is not None:
            return PATTERNS[pattern]
        said = CHECKED.get(getattr(getattr(limit, "func", None), "__name__", ""))
        if said is not None:
            return said
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    told = [
        f"{word} {getattr(limit, sign):g}"
        for sign, word in signs.items()
        for limit in limits
        if getattr(limit, sign, None) not in (None, UNSAID)
    ]
    return f"{words} {' and '.join(told)}" if told else words


def _with_examples(text: str) -> str:
    """The text with its examples as real keys, in place of the nulls that follow them."""
    lines: list[str] = []
    shown: str | None = None
    for line in text.splitlines():
        example = EXAMPLE.match(line)
        if example:
            place = f"{example[1]}{example[2]}"
            if shown is None:
                shown = place
            lines.append(place)
        elif shown is not None and line == f"{shown} null":
            shown = None
        else:
            shown = None
            lines.append(line)
    return "\n".join(lines)


def _comments(text: str) -> dict[str, str]:
    """Path of every key -> the comment above it."""
    lines = text.splitlines()
    found: dict[str, str] = {}

    def above(number: int) -> str:
        told: list[str] = []
        while number > 0 and lines[number - 1].lstrip().startswith("#"):
            number -= 1
            told.insert(0, lines[number].lstrip(" #"))
        return " ".join(told)

    def walk(node: yaml.Node, prefix: str, free: bool) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                path = f"{prefix}*" if free else f"{prefix}{key.value}"
                # A flow mapping repeats keys that are explained above.
                own = "" if node.flow_style else above(key.start_mark.line)
                if not free:
                    found[path] = found.get(path) or own
                walk(value, f"{path}.", free=path in FREE)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                walk(item, f"{prefix.removesuffix('.')}[].", free=False)

    walk(yaml.compose(text, yaml.SafeLoader), "", free=False)
    # Before the first key stands what the whole file is.
    return found


def _defaults(value: Any, prefix: str = "") -> dict[str, str]:
    """Path -> default, of keys that are there by default; of lists that of the first item."""
    found = {}
    for key, inner in value.items():
        path = f"{prefix}{key}"
        found[path] = (
            yaml.safe_dump(inner, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()
        )
        if isinstance(inner, dict):
            found |= _defaults(inner, f"{path}.")
    return found
