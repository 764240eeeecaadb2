"""Read YAML 1.2 (core schema), and refuse what could be read in two ways.

PyYAML reads YAML 1.1: of a key that is there twice it loses the first, `010` is eight, `1:30` ninety, `no`
is false and `1e-3` a text.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from mda.runtime.errors import UserError

# Nodes of a file with its aliases written out; more is an accident or a bomb.
MOST_NODES = 1_000_000

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = r"[-+]?(0|[1-9][0-9]*)"
_PLAIN = {
    "null": r"|~|null|Null|NULL",
    "bool": "|".join(_BOOLEANS),
    "int": _WHOLE,
    "float": rf"({_WHOLE}(\.[0-9]*)?|[-+]?\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": "<<",
    # Octal, hexadecimal, binary, with underscores, sexagesimal: other numbers, or texts, to some reader.
    "ambiguous": r"[-+]?0[0-9_]+(\.[0-9_]*)?|[-+]?0[box][0-9a-fA-F_]+|[-+]?[0-9]+_[0-9_]*(\.[0-9_]*)?"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?",
}

_KINDS = (*_PLAIN, "str", "seq", "map")


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with quotes around texts that either version would take for something else."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012, the name and kind are PyYAML's

    def whole(self, node: yaml.ScalarNode) -> int:
        try:
            return int(node.value)
        except ValueError:
            raise _refused(
                f"{node.value[:20]} is no number, or one with too many digits", node.start_mark
            ) from None

    def decimal(self, node: yaml.ScalarNode) -> float:
        text = node.value.lower()
        try:
            number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            raise _refused(f"{node.value} is no number", node.start_mark) from None
        if math.isinf(number) and "inf" not in text:
            raise _refused(
                f"{node.value} is too large for a number; write it in quotes if it is a text", node.start_mark
            )
        return number

    def ambiguous(self, node: yaml.ScalarNode) -> None:
        raise _refused(
            f"{node.value} is read as different numbers, or as a text, by different versions of YAML; write "
            "it in decimal, or in quotes if it is a text",
            node.start_mark,
        )

    def boolean(self, node: yaml.ScalarNode) -> bool:
        if node.value not in _BOOLEANS:
            raise _refused(f"{node.value} is neither true nor false", node.start_mark)
        return _BOOLEANS[node.value]


for _name, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), None)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), None)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.decimal)
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.boolean)
_Loader.add_constructor("tag:yaml.org,2002:ambiguous", _Loader.ambiguous)


def _refused(what: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark)


def read(path: Path) -> dict[str, Any]:
    """The mapping of keys to values in a file; an empty file has none.

    Raises:
        UserError: when it cannot be read, is not UTF-8 or not YAML, could be read in two ways, or is no
            mapping.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    found = parse(text, str(path))
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UserError(
            f"{path}: is a {'list' if isinstance(found, list) else 'single value'}, not keys with values; "
            "write 'key: value', a line each"
        )
    return found


def parse(text: str, place: str) -> Any:
    """The value of a text; `place` says in errors where it stands.

    Raises:
        UserError: when it is not YAML, or could be read in two ways.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise UserError(f"{place}: is nested too deeply; make it flatter") from None
    except yaml.YAMLError as error:
        raise UserError(_sentence(error, place)) from None


def dump(value: dict[str, Any]) -> str:
    """The YAML of a mapping, which `parse` and any other reader of YAML read as the same."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def _sentence(error: yaml.YAMLError, place: str) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = " ".join(
        str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split()
    )
    where = place if mark is None else f"{place}, line {mark.line + 1}"
    known = type(error) is yaml.MarkedYAMLError
    return f"{where}: {problem}" if known else f"{where}: is not valid YAML ({problem}); mend it"


def _check(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Refuse keys that are there twice, and aliases without end; returns the number of nodes, written out."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise _refused("a value holds itself by an alias; write it out", node.start_mark)
        return sizes[id(node)]
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind not in _KINDS:
        raise _refused(f"the tag of {kind} is not for settings; take it away", node.start_mark)
    sizes[id(node)], size = 0, 1
    if isinstance(node, yaml.ScalarNode) and any("\ud800" <= sign <= "\udfff" for sign in node.value):
        raise _refused(
            "half of a character (an escape from \\ud800 to \\udfff); write all of it", node.start_mark
        )
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        size += sum(_check(part, sizes) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_check(part, sizes) for part in node.value)
    if size > MOST_NODES:
        raise _refused(f"aliases make more than {MOST_NODES:,} values of it; write it out", node.start_mark)
    sizes[id(node)] = size
    return size


def _as_word(key: yaml.ScalarNode) -> str:
    """A key as a name: numbers and truths have several spellings."""
    spelled = key.tag.rpartition(":")[2] in ("null", "bool", "int", "float")
    return str(_Loader("").construct_object(key)) if spelled else key.value


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refused("a key is no word; write 'key: value'", key.start_mark)
        line, name = key.start_mark.line + 1, _as_word(key)
        if name in lines:
            raise _refused(
                f"the key '{key.value}' is there twice, in line {lines[name]} and in line {line}; keep one",
                key.start_mark,
            )
        lines[name] = line
