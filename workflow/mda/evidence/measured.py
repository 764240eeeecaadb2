"""What the tables of an experiment say of a finding, and how a measure finds its line in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

Tables = Mapping[str, pd.DataFrame]
Measure = Callable[[Tables, str, "Settings"], "Measured | None"]


class Measured(NamedTuple):
    """What one target's tables say of a finding.

    Attributes:
        value, low, high: the measure with its interval.
        holds: whether the interval lies on the side that the finding claims; None if it cannot be said.
        seeds: runs, or samples, behind it.
        detectable: the smallest effect that would have been found four times out of five.
        unit: of the value.
        note: what else the reader needs.
    """

    value: float
    low: float
    high: float
    holds: bool | None
    seeds: int
    unit: str
    detectable: float = np.nan
    note: str = ""


@dataclass(frozen=True)
class Settings:
    """What the measures need of the configuration.

    Attributes:
        start: the step at which branches begin.
        scope: folder of the effects: `tables` (the configured interventions) or `evidence` (the studies).
        shuffled: whether the base run reads the samples in random order.
    """

    fraction: float
    confidence: float
    start: int
    scope: str
    shuffled: bool


def cell(
    tables: Tables, target: str, outcome: str, kind: str, selection: str, fraction: float
) -> pd.Series | None:
    """The line of an intervention in the table of effects, if there is one."""
    table = tables.get("effects")
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


def p_values(line: pd.Series, name: str) -> str:
    """A p-value before and after the correction, which the verdict rests on."""
    if np.isnan(line[f"{name}_q"]):
        return ""
    return f"p {line[f'{name}_p']:.2g}, corrected {line[f'{name}_q']:.2g}"


def line_of(tables: Tables, table_of: str, **where: str) -> pd.Series | None:
    """The first line of a table whose columns have these values, if there is one."""
    table = tables.get(table_of)
    if table is None:
        return None
    for column, value in where.items():
        table = table[table[column] == value]
    return table.iloc[0] if len(table) else None
