"""Formulas as MathML, which browsers draw by themselves: no script is fetched for them."""

from __future__ import annotations

import re

from latex2mathml.converter import convert

# As GitHub writes them.
BLOCK = re.compile(r"^```math\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"\$`([^`]+)`\$")


def with_formulas(markdown: str) -> str:
    """A page with its formulas, which are written in LaTeX, as MathML."""
    markdown = BLOCK.sub(lambda found: f"\n{convert(found[1].strip(), display='block')}\n", markdown)
    # Markdown takes `math` at the start of a line for a block of its own, unless it is inside of a `span`.
    return INLINE.sub(lambda found: f"<span>{convert(found[1])}</span>", markdown)
