"""A result table as the report shows it: intervals in one cell, outcomes apart, and what the columns mean."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mda.report import columns
from mda.runtime.errors import printable

# Lines of a table on the page; the file has them all.
LINES = 300
# Bytes of a table that the page carries whole, to be saved from it.
CARRIED = 2_000_000
# The column whose values are shown one at a time.
TABS = "outcome"


def view(path: Path, table: pd.DataFrame) -> dict[str, Any]:
    """A table for the page.

    Args:
        path: its file, whose name says what its columns mean (`mda.report.columns`).

    Returns:
        `columns`: name, unit and meaning of each that is shown, an end of an interval in that of its value;
        `fixed`: pairs of name and value of those that are the same in every line; `rows`, the first `LINES`,
        of each outcome where there are tabs: `tab`, its outcome, and `cells`, pairs of text and what it is
        sorted by; `tabs`: the outcomes, where there are several, and what else is the same in all lines of
        each; `lines`, how many there are; and `download`, the file as an address, or None.
    """
    tabs = list(dict.fromkeys(table[TABS])) if TABS in table.columns else []
    tabs = [printable(str(name)) for name in tabs] if len(tabs) > 1 else []
    ends = {f"{name}{end}" for name in _intervals(table) for end in ("_low", "_high")}
    kept = [name for name in table.columns if name not in ends and not (tabs and name == TABS)]
    fixed = [name for name in kept if len(table) > 1 and table[name].nunique(dropna=False) == 1]
    # What an outcome has in all its lines stands with its name.
    of_tab = [name for name in kept if tabs and name not in fixed and _same_in_tabs(table, name)]
    shown = [name for name in kept if name not in fixed and name not in of_tab]
    # Claims are about differences to random, not to the base.
    shown.sort(key=lambda name: name.startswith("to_base"))
    head = table.groupby(TABS, sort=False).head(LINES) if tabs else table.head(LINES)
    return {
        "columns": [_column(path, name, f"{name}_low" in ends) for name in shown],
        "fixed": [(printable(name), _text(table[name].iloc[0])) for name in fixed],
        "rows": [
            {
                "tab": printable(str(line[TABS])) if tabs else "",
                "cells": [_cell(line, name, f"{name}_low" in ends) for name in shown],
            }
            for line in head.to_dict("records")
        ],
        "tabs": [(tab, _of_tab(table, tab, of_tab)) for tab in tabs],
        "lines": len(table),
        "download": download(path),
    }


def download(path: Path) -> str | None:
    """A CSV as an address that a page can carry; None of one too large for that."""
    if path.stat().st_size > CARRIED:
        return None
    return "data:text/csv;base64," + base64.b64encode(path.read_bytes()).decode()


def _same_in_tabs(table: pd.DataFrame, name: str) -> bool:
    return bool((table.groupby(TABS)[name].nunique(dropna=False) == 1).all())


def _of_tab(table: pd.DataFrame, tab: str, names: list[str]) -> str:
    line = table[table[TABS].astype(str).map(printable) == tab].iloc[0]
    return ", ".join(f"{name} {_text(line[name])}" for name in names)


def _intervals(table: pd.DataFrame) -> list[str]:
    names = set(table.columns)
    return [name for name in table.columns if {f"{name}_low", f"{name}_high"} <= names]


def _column(path: Path, name: str, interval: bool) -> dict[str, str]:
    kind = columns.of(path)
    said = kind.column(name) if kind else None
    meaning = said.meaning if said else ""
    if interval:
        meaning += ", with its confidence interval" if meaning else "with its confidence interval"
    return {"name": printable(name), "unit": said.unit if said else "", "meaning": meaning}


def _cell(line: dict[str, Any], name: str, interval: bool) -> tuple[str, str]:
    value = line[name]
    text = _text(value)
    if interval and text and not np.isnan(line[f"{name}_low"]):
        text += f" [{_text(line[f'{name}_low'])}, {_text(line[f'{name}_high'])}]"
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
    return text, "" if not known or np.isnan(value) else repr(float(value))


def _text(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.4g}"
    return printable(str(value))
