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

from mda.config.experiment import Config
from mda.config.section import Section
from mda.runtime import files
from mda.runtime.errors import printable

# Lines of a table on the page; the file has them all.
LINES = 300


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
    """

    path: Path
    rule: str
    category: str
    labels: dict[str, str]
    caption: Path
    wildcards: dict[str, str]


def groups(items: Sequence[Item], root: Path, configuration: Mapping[str, Any]) -> dict[str, list[dict]]:
    """What the page shows under each category, in the order of the items.

    Args:
        root: the folder from which files are named.
        configuration: what the captions read, as config.yaml has it.
    """
    found: dict[str, list[dict]] = {}
    for item in items:
        about, target = item.labels["figure"], item.labels["target"]
        shown: dict[str, Any] = {
            "title": about if target == "all" else f"{about}, {target}",
            "file": item.path.relative_to(root).as_posix(),
            "rule": item.rule,
            "caption": caption(item, configuration),
        }
        if item.path.suffix == ".png":
            shown["image"] = image(item.path)
        elif item.path.suffix == ".csv":
            shown["table"] = cells(files.read_csv(item.path))
        elif item.path.suffix == ".html":
            shown["page"] = item.path.read_text(encoding="utf-8")
        found.setdefault(item.category, []).append(shown)
    return found


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


def cells(table: pd.DataFrame) -> dict[str, Any]:
    """A table as text: `columns`, the first `LINES` of its `rows`, and how many `lines` it has."""
    rows = [[_cell(value) for value in row] for row in table.head(LINES).itertuples(index=False)]
    return {"columns": list(table.columns), "rows": rows, "lines": len(table)}


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.4g}"
    return printable(str(value))


def findings(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Each target's findings: the `target`, how often each verdict was given, and a line for each finding."""
    shown = []
    for target, mine in found.fillna(
        dict.fromkeys(("published", "unit", "note", "file", "rule"), "")
    ).groupby("target", sort=False):
        lines = [line | {"here": measured(pd.Series(line))} for line in mine.to_dict("records")]
        shown.append({"target": target, "verdicts": Counter(mine["verdict"]), "lines": lines})
    return shown


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def measured(line: pd.Series) -> dict[str, str]:
    """What a finding's measure is, for readers: `value` with its interval, and what else to know of it."""
    if np.isnan(line["value"]):
        return {"value": "", "unit": "", "more": line["note"]}
    value = number(line["value"])
    if not np.isnan(line["low"]):
        value += f" [{number(line['low'])}, {number(line['high'])}]"
    more = [line["note"]] if line["note"] else []
    if not np.isnan(line["detectable"]):
        more.append(f"detectable {number(line['detectable'])} (n = {line['runs']})")
    return {"value": value, "unit": line["unit"], "more": "; ".join(more)}


def facts(configuration: Config, units: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What the experiment was, in a few words each."""
    attribution, run = configuration.attribution, configuration.run
    model = configuration.model.checkpoint or configuration.model.architecture
    return {
        "Units": ", ".join(f"{name} ({', '.join(members)})" for name, members in units.items()),
        "Model": f"{model}, {run.steps} steps of {run.batch_size} samples "
        f"of {configuration.tokens.context} tokens",
        "Corpus": configuration.corpus.source,
        "Attribution": f"{attribution.fit.strategy} at step {attribution.checkpoint}, fitted on "
        f"{attribution.fit.samples} samples, damping {attribution.damping:g}"
        + ("" if attribution.floor is None else f", floor {attribution.floor:g}"),
        "Changed": f"steps {run.window.start} to {run.window.stop - 1}",
    }
