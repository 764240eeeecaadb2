"""The reference of commands: the verbs of the Makefile, and what Snakemake can be asked for."""

from __future__ import annotations

import re

from markdown_text import code, prose, table
from rules import Rule

VERB = re.compile(r"^([a-z-]+):.*## (.*)$", re.M)


def verbs(makefile: str) -> str:
    """The verbs of a Makefile, with what their comments say."""
    found = VERB.findall(makefile)
    rows = [[code(f"make {name}"), prose(f"{told[0].upper()}{told[1:]}.")] for name, told in found]
    return table(["Command", "What it does"], rows)


def goals(rules: list[Rule]) -> str:
    """The rules that make nothing themselves, but name what is made."""
    rows = [[code(f"snakemake {rule.name}"), prose(rule.docstring)] for rule in rules]
    return table(["Goal", "What it makes"], rows)
