"""What is said of a wrong configuration, in words of YAML and not of Python."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

# What to write, where pydantic speaks of Python's types.
_WRITE = dict.fromkeys(("model_type", "dict_type"), "Write keys with values, such as {key: value}")
_WRITE |= {"list_type": "Write a list, such as [a, b]"}


def of(error: ValidationError) -> str:
    """The first mistake: the key, the value, and what is allowed; without a full stop."""
    first = error.errors()[0]
    place = _place(first["loc"])
    message = _WRITE.get(first["type"], re.sub(r"^Value error, ", "", first["msg"]))
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
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def refuse_addresses(value: Any, place: tuple[int | str, ...] = ()) -> None:
    """Refuse what a shell or a browser would take for a place, and this does not, wherever it stands.

    Raises:
        ValueError: with the key.
    """
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            refuse_addresses(inner, (*place, key))
    elif isinstance(value, str) and value.startswith("~/"):
        raise ValueError(f"'{_place(place)}' is '{value}', but ~ is not filled in; write the whole path")
    elif isinstance(value, str) and re.match(r"[a-z][a-z0-9]*://", value):
        raise ValueError(
            f"'{_place(place)}' is the address {value}; name a file or folder of this machine, or a "
            "repository of the hub as owner/name"
        )
