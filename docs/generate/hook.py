"""The tables of the reference, made while MkDocs builds the site.

They are made from what the workflow itself reads, so that nothing is written twice and nothing can be out of
date: the schema and config.yaml, the rules, the list of result files, the meanings of columns, the Makefile.
A page has a comment in the place of each, below a line that says so to who reads the page without the site.
"""

from __future__ import annotations

import itertools
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(Path(__file__).parent)]

import commands  # noqa: E402
import configuration  # noqa: E402
import mathml  # noqa: E402
import result_files  # noqa: E402
import rules  # noqa: E402
from mda.config.experiment import Config  # noqa: E402

NOTE = r"^\*The tables? below (?:is|are) filled in by [^*]+\*\n\n"
PLACE = re.compile(rf"(?:{NOTE})?^<!-- generated: (\w+) -->$", re.M)


def on_page_markdown(markdown: str, **others: Any) -> str:
    """Fill in what is generated, and turn formulas into MathML."""
    del others
    return mathml.with_formulas(PLACE.sub(lambda place: generated()[place[1]], markdown))


@cache
def generated() -> dict[str, str]:
    """Name -> Markdown of everything that is generated."""
    by_title = rules_by_title()
    files = result_files.read(_text("workflow/report/result_files.yaml"))
    every = list(itertools.chain(*by_title.values()))
    makers = {file.path: result_files.makers(file.path, every) for file in files}
    return {
        "configuration": configuration.tables(configuration.keys(Config, _text("config.yaml"))),
        "results": result_files.tables(files, makers),
        "rules": rules.tables(by_title),
        "verbs": commands.verbs(_text("Makefile")),
        "goals": commands.goals(rules.of_file(ROOT / "Snakefile", {})),
    }


def rules_by_title() -> dict[str, list[rules.Rule]]:
    """The rules of every file that the Snakefile includes, by the title of the file."""
    included: dict[Path, list[Path]] = {}
    for name in re.findall(r'^include: "(.+)"', _text("Snakefile"), re.M):
        included[ROOT / name] = [ROOT / name]
        # A file may include others, by a name that it makes.
        for pattern in re.findall(r'^ *include: f"(.+)"', _text(name), re.M):
            named = (ROOT / name).parent.glob(re.sub(r"\{.*?\}", "*", pattern))
            included[ROOT / name] += sorted(named)
    functions = rules.input_functions([path for paths in included.values() for path in paths])
    return {
        rules.header(first): [rule for path in paths for rule in rules.of_file(path, functions)]
        for first, paths in included.items()
    }


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
