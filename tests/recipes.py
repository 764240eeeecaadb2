"""The recipes of README.md and of the documentation, as they stand."""

import re
import textwrap
from typing import Any

import yaml
from project import ROOT


def section(page: str, title: str = "") -> str:
    """The text below a heading, to the next one of any level; without a title, the whole page."""
    text = (ROOT / page).read_text()
    if not title:
        return text
    lines, kept, inside, fenced = text.splitlines(keepends=True), [], False, False
    for line in lines:
        fenced ^= line.startswith("```")
        # A comment in a block is no heading.
        if line.startswith("#") and not fenced:
            inside = line.lstrip("#").strip() == title
        elif inside:
            kept.append(line)
    assert kept, f"{page} has no heading {title!r}"
    return "".join(kept)


def blocks(page: str, title: str = "", language: str = "yaml") -> list[str]:
    """The fenced blocks of a language below a heading."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(page, title), re.MULTILINE | re.DOTALL)


def overlays(page: str, title: str = "") -> list[dict[str, Any]]:
    """The blocks of YAML below a heading, read."""
    return [yaml.safe_load(block) for block in blocks(page, title)]


def indented(page: str, title: str) -> list[str]:
    """The indented blocks below a heading."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section(page, title), re.MULTILINE)
    return [textwrap.dedent(block).strip() + "\n" for block in found]
