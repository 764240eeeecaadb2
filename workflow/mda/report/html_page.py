"""Pages of HTML that need no other file: text from data is escaped, and nothing is asked of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from mda.runtime import files


def render(template: Path, **facts: Any) -> str:
    """The page of a template, which may extend others of its folder.

    Args:
        facts: what the template shows, beside `made_by`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(made_by=files.made_by(), **facts)
