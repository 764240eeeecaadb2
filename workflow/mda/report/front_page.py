"""The report: findings with their verdicts, then every figure and table with its caption."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from docutils.core import publish_parts  # type: ignore[import-untyped]
from markupsafe import Markup
from PIL import Image

from mda.config.experiment import Config
from mda.config.section import Section
from mda.evidence import csv_tables, finding, in_words
from mda.evidence.rounding import with_interval
from mda.report import asked, table_view

# Verdicts that say nothing, which the page folds away.
FOLDED = (finding.CANNOT_TELL, finding.NOT_RUN)
# Where the text of a PNG says what is seen in it; see `mda.figures.style.save`.
DESCRIPTION = "Alt"


class Item(Section):
    """A result that the report shows.

    Attributes:
        path: a figure (png), a table (csv) or a page (html).
        rule: that made it.
        category: under which it stands.
        labels: its `figure`, what it shows, and `target`.
        caption: file of its caption, reStructuredText with `snakemake.config` and `snakemake.wildcards`, as
            in a report of Snakemake's own.
        wildcards: of its rule.
        question: of a study, what it asks.
    """

    path: Path
    rule: str
    category: str
    labels: dict[str, str]
    caption: Path
    wildcards: dict[str, str]
    question: str = ""


def groups(items: Sequence[Item], root: Path, configuration: Mapping[str, Any]) -> dict[str, list[dict]]:
    """What the page shows under each category, in the order of the items.

    Args:
        root: the folder from which files are named.
        configuration: what the captions read, as config.yaml has it.
    """
    found: dict[str, list[dict]] = {}
    for item in items:
        about, target = item.labels["figure"], item.labels["target"]
        file = item.path.relative_to(root).as_posix()
        shown: dict[str, Any] = {
            "title": about if target == "all" else f"{about}, {target}",
            "question": item.question,
            "file": file,
            "anchor": anchor(file),
            "rule": item.rule,
            "caption": caption(item, configuration),
        }
        if item.path.suffix == ".png":
            shown["image"] = image(item.path)
            shown["alt"] = description(item.path) or shown["title"]
        elif item.path.suffix == ".csv":
            shown["table"] = table_view.view(item.path, csv_tables.read(item.path))
        elif item.path.suffix == ".html":
            shown["page"] = item.path.read_text(encoding="utf-8")
        found.setdefault(item.category, []).append(shown)
    return found


def anchor(file: str) -> str:
    """The name of a file's place on the page."""
    return "file-" + file.replace("/", "-").replace(".", "-")


def description(path: Path) -> str:
    """What is seen in a figure, by its own words; '' where it has none."""
    with Image.open(path) as figure:
        return str(figure.info.get(DESCRIPTION, ""))


def image(path: Path) -> str:
    """A figure as the address of an image on the page."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def caption(item: Item, configuration: Mapping[str, Any]) -> Markup:
    """An item's caption as HTML."""
    text = jinja2.Template(item.caption.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined).render(
        snakemake=SimpleNamespace(config=configuration, wildcards=_Wildcards(item.wildcards))
    )
    settings = {"raw_enabled": False, "file_insertion_enabled": False, "report_level": 5}
    return Markup(publish_parts(text, writer="html5", settings_overrides=settings)["fragment"])  # noqa: S704


class _Wildcards(dict):
    """Wildcards by key and by attribute, as Snakemake gives them."""

    __getattr__ = dict.__getitem__


def findings(found: pd.DataFrame, files_shown: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Each target's findings.

    Args:
        files_shown: files with a place on the page, to which a finding links.

    Returns:
        For each target: `target`, how often each verdict was given (`verdicts`, in the order of
        `finding.VERDICTS`), all `lines`, those that say something (`told`), and the others by their verdict
        (`folded`).
    """
    shown = []
    for target, mine in found.fillna(
        dict.fromkeys(("published", "unit", "note", "file", "rule"), "")
    ).groupby("target", sort=False):
        lines = [
            line
            | {
                "here": measured(pd.Series(line)),
                "anchor": anchor(line["file"]) if line["file"] in files_shown else "",
            }
            for line in mine.to_dict("records")
        ]
        counts = Counter(mine["verdict"])
        folded = {name: [line for line in lines if line["verdict"] == name] for name in FOLDED}
        shown.append(
            {
                "target": target,
                "verdicts": {name: counts[name] for name in finding.VERDICTS if counts[name]},
                "lines": lines,
                "told": [line for line in lines if line["verdict"] not in FOLDED],
                "folded": {name: some for name, some in folded.items() if some},
            }
        )
    return shown


def measured(line: pd.Series) -> dict[str, str]:
    """What a finding's measure is, for readers: `value` with its interval, and what else to know of it."""
    if np.isnan(line["value"]):
        return {"value": "", "unit": "", "more": line["note"]}
    value = with_interval(line["value"], line["low"], line["high"])
    more = filter(None, [line["note"], in_words.power(line.to_dict())])
    return {"value": value, "unit": line["unit"], "more": "; ".join(more)}


def facts(configuration: Config, members: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What the experiment was, in a few words each.

    Args:
        members: the places that each target stands for.
    """
    attribution, run = configuration.attribution, configuration.run
    model = configuration.model.checkpoint or configuration.model.architecture
    return {
        "Units": asked.units(configuration, members),
        "Metric": asked.metrics(configuration),
        "Model": f"{model}, {run.steps} steps of {run.batch_size} samples "
        f"of {configuration.tokens.context} tokens",
        "Corpus": asked.corpus(configuration),
        "Attribution": f"{attribution.fit.strategy} at step {attribution.checkpoint}, fitted on "
        f"{attribution.fit.samples} samples, damping {attribution.damping:g}"
        + ("" if attribution.floor is None else f", floor {attribution.floor:g}"),
        "Changed": asked.changed(configuration),
    }
