"""The reference of commands: the verbs of the Makefile, and what Snakemake can be asked for."""

from __future__ import annotations

import re

import rules
from markdown_text import code, prose, table

VERB = re.compile(r"^([a-z-]+):.*## (.*)$", re.M)


def page(makefile: str, goals: list[rules.Rule]) -> str:
    """The reference as a page.

    Args:
        goals: the rules of the Snakefile, which make nothing themselves.
    """
    verbs = [[code(f"make {name}"), prose(told[0].upper() + told[1:]) + "."] for name, told in VERB.findall(makefile)]
    asked = [[code(f"snakemake {goal.name}"), prose(goal.docstring)] for goal in goals]
    return "\n".join(
        [INTRODUCTION, table(["Command", "What it does"], verbs), SNAKEMAKE, table(["Goal", "What it makes"], asked)]
    )


INTRODUCTION = """# Commands

`make` is the front door. It makes the environment `.venv` when it is needed. `make help` prints this list.
"""

SNAKEMAKE = """
## Snakemake

`make demo` runs `snakemake --profile profiles/local` and then prints the main numbers. Run Snakemake yourself to choose an
experiment, a goal or a profile, in the environment (`source .venv/bin/activate`):

    snakemake --profile profiles/local --configfile experiments/python-stdlib.yaml

Without a goal it makes `all`. [Everyday commands](../how-to/everyday.md) shows the options that are used most.
"""
