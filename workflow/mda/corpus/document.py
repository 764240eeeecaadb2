"""The noun that every corpus yields."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One text, the label of its kind, and where it came from."""

    text: str
    label: str
    origin: str
