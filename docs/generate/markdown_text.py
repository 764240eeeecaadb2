"""Pieces of Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence


def code(text: object) -> str:
    """A text as code, safe in a table; it may break after a slash, a dot or an underscore."""
    escaped = "".join(f"&#{ord(sign)};" if sign in "|*_`{}[]<>&" else sign for sign in str(text))
    return f"<code>{re.sub('(/|[.]|&#95;)', lambda found: found[0] + '<wbr>', escaped)}</code>"


def prose(text: str) -> str:
    """A plain text as Markdown; what stands between `backticks` is code."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        code(part[1:-1]) if part.startswith("`") else html.escape(part, quote=False).replace("*", "\\*")
        for part in parts
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells in Markdown."""
    cells = [[" ".join(text.split()).replace("|", "\\|") for text in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells]) + "\n"
