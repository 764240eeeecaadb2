"""The class `Document`: a text, its label, its origin and the user's columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Document:
    """One text, the label of its kind, where it came from, and columns of the user's own, such as an id."""

    text: str
    label: str
    origin: str
    own: Mapping[str, Any] = field(default_factory=dict)
