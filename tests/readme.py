"""The recipes of README.md, as they stand."""

import re
import textwrap
from typing import Any

import yaml
from project import ROOT

README = (ROOT / "README.md").read_text()


def recipe(title: str) -> str:
    """The text of a recipe, from its bold title to the next one or heading."""
    return re.split(r"^(?:\*\*|#)", README.split(f"\n**{title}.**")[1], maxsplit=1, flags=re.MULTILINE)[0]


def block(title: str) -> str:
    """The first indented block of a recipe."""
    [found, *_] = re.findall(r"(?:^    .*\n|^\n(?=    ))+", recipe(title), re.MULTILINE)
    return textwrap.dedent(found).strip() + "\n"


def overlay(title: str) -> dict[str, Any]:
    return yaml.safe_load(block(title))
