"""The pages of the reference, made while MkDocs builds the site.

They are made from what the workflow itself reads, so that nothing is written twice and nothing can be out of date: the
schema and config.yaml, the rules' docstrings, inputs and outputs, the table of result files, and the Makefile.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(Path(__file__).parent)]

import commands  # noqa: E402
import configuration  # noqa: E402
import mathml  # noqa: E402
import result_files  # noqa: E402
import rules  # noqa: E402

from mda.config import Config  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those that are written."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas into MathML."""
    return mathml.with_formulas(markdown)


def pages() -> dict[str, str]:
    """Name -> Markdown of every generated page."""
    by_title = rules_by_title()
    files, endings = result_files.read((ROOT / "workflow" / "report" / "result_files.yaml").read_text())
    makers = {file.path: result_files.makers(file.path, itertools.chain(*by_title.values())) for file in files}
    return {
        "configuration": configuration.page(configuration.keys(Config, (ROOT / "config.yaml").read_text())),
        "results": result_files.page(files, endings, makers),
        "rules": rules.page(by_title),
        "commands": commands.page((ROOT / "Makefile").read_text(), rules.of_file(ROOT / "Snakefile", {})),
    }


def rules_by_title() -> dict[str, list[rules.Rule]]:
    """The rules of every file that the Snakefile includes, by the title of the file."""
    included = re.findall(r'^include: "(.+)"', (ROOT / "Snakefile").read_text(), re.M)
    paths = [ROOT / name for name in included]
    functions = rules.input_functions(paths)
    return {rules.header(path): rules.of_file(path, functions) for path in paths}
