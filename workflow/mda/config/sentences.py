"""What is said of a wrong configuration, in words of YAML and not of Python."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

# What to write, where pydantic speaks of Python's types.
_WRITE = dict.fromkeys(("model_type", "dict_type"), "Write keys with values, such as {key: value}")
_WRITE |= {"list_type": "Write a list, such as [a, b]"}


def of(error: ValidationError, section: str | None = None) -> str:
    """The first mistake: the key, the value, and what is allowed; without a full stop.

    Args:
        section: what was checked, if not all of the configuration.
    """
    first = error.errors()[0]
    place = _place(first["loc"] if section is None else (section, *first["loc"]))
    message = _WRITE.get(first["type"], re.sub(r"^Value error, ", "", first["msg"]))
    if first["type"] == "too_short":
        message = f"Write at least {first['ctx']['min_length']}"
    value = first["input"]
    if isinstance(value, (str, int, float, bool)) or value is None:
        message = f"is {value!r}: {message[0].lower()}{message[1:]}"
    elif place:
        message = f": {message}"
    where = f"'{place}'" + ("" if message.startswith(":") else " ") if place else ""
    return f"{where}{message.rstrip('.')}"


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        # It stands behind a key that is wrong itself.
        if part == "[key]":
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


# Keys of texts, which may be any.
_TEXTS = {"text", "label", "missing_label", "columns", "begin", "end"}


def refuse_addresses(value: Any, place: tuple[int | str, ...] = ()) -> None:
    """Refuse what a shell or a browser would take for a place, and this does not, wherever it stands.

    Raises:
        ValueError: with the key.
    """
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            refuse_addresses(inner, (*place, key))
    elif not isinstance(value, str) or _TEXTS.intersection(place):
        return
    elif value.startswith("~/"):
        raise ValueError(f"'{_place(place)}' is '{value}', but ~ is not filled in; write the whole path")
    elif re.match(r"[a-z][a-z0-9]*://", value):
        raise ValueError(
            f"'{_place(place)}' is the address {value}; name a file or folder of this machine, or a "
            "repository of the hub as owner/name"
        )
