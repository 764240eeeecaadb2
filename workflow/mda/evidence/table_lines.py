"""Find a line in the tables of an experiment, and read a measure with its interval from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mda.evidence.finding import EFFECTS, Measured, Tables


def cell(
    tables: Tables, target: str, outcome: str, kind: str, selection: str, fraction: float
) -> pd.Series | None:
    """The line of an intervention in the table of effects, if there is one."""
    table = tables.get(EFFECTS)
    if table is None:
        return None
    mine = table[
        (table["target"] == target)
        & (table["outcome"] == outcome)
        & (table["intervention"] == kind)
        & (table["selection"] == selection)
        & np.isclose(table["fraction"], fraction)
    ]
    return mine.iloc[0] if len(mine) else None


def first(
    tables: Tables, target: str, outcome: str, kinds: Sequence[str], selection: str, fraction: float
) -> pd.Series | None:
    """The line of the first of several interventions that there is."""
    cells = (cell(tables, target, outcome, kind, selection, fraction) for kind in kinds)
    return next((one for one in cells if one is not None), None)


def line_of(tables: Tables, table_of: str, **where: str) -> pd.Series | None:
    """The first line of a table whose columns have these values, if there is one."""
    table = tables.get(table_of)
    if table is None:
        return None
    for column, value in where.items():
        table = table[table[column] == value]
    return table.iloc[0] if len(table) else None


def measured(
    line: pd.Series, name: str, holds: bool | None, seeds: float, unit: str,
    detectable: float = np.nan, note: str = "",
) -> Measured:  # fmt: skip
    """What a line says of the measure `name` and its interval."""
    return Measured(
        line[name], line[f"{name}_low"], line[f"{name}_high"], holds, int(seeds), unit, detectable, note
    )


def all_the_same(line: pd.Series, name: str) -> bool:
    """Whether every run came out as its pair did: the unit formed in none of them."""
    return bool(line[f"{name}_low"] == 0 and line[f"{name}_high"] == 0)


# How p-values are corrected.
HOLM, BENJAMINI_HOCHBERG = "Holm", "Benjamini-Hochberg"


def corrected_words(p: float, q: float, tests: str, method: str) -> str:
    """A p-value before and after the correction, which the verdict rests on; '' where there is none.

    Args:
        tests: those that it is corrected for, such as '3 planned tests'.
        method: of the correction.
    """
    if np.isnan(q):
        return ""
    return f"p {p:.2g}; corrected for {tests}, {q:.2g} ({method})"
