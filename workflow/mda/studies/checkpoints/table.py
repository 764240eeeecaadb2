"""Removing the top samples by influence at each checkpoint, and by what did most in other orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import csv_tables, statistics
from mda.evidence.effect_table import OUTCOMES
from mda.planning import design, variants

COMPARED = ("formation_step", "score_area")
# A line over checkpoints, that of what was chosen, and what was chosen where nothing was.
MEAN, CHOSEN, NONE = "mean", "chosen", "none"


def checkpoints(table: pd.DataFrame, configured: int, fraction: float, confidence: float) -> pd.DataFrame:
    """What removal by each checkpoint does, against removal at random and by the configured checkpoint.

    The best of several is partly best by luck. So the line `CHOSEN` has what did most, on average, in the
    first half of the orders, and judges it by the others alone: its interval is that of orders which had no
    part in the choice. Of equal ones the configured checkpoint is chosen.

    Args:
        table: from `mda.evidence.effect_table.outcomes`.
        configured: the step of `attribution.checkpoint`.

    Returns:
        A line for each target, outcome and scores: configured, picked (of `CHOSEN`, what was chosen; else
        `NONE`), seeds, and the differences `to_random` and `to_configured` of
        `mda.evidence.statistics.paired_difference`, the second with `_q` (Benjamini and Hochberg, over the
        other checkpoints and the mean). Orders that all of them have are compared; one order chooses nothing.
    """
    lines: list[dict[str, Any]] = []
    cell = table[(table["intervention"] == "replace") & np.isclose(table["fraction"], fraction)]
    for target, mine in cell.groupby("target", sort=False):
        named = {str(name): _scores(str(name), str(target), configured) for name in set(mine["selection"])}
        for outcome in COMPARED:
            runs = mine.pivot(index="seed", columns="selection", values=outcome)
            kept = runs[[name for name, scores in named.items() if scores is not None]].rename(columns=named)
            effects = kept.sub(runs["random"], axis=0).dropna()
            others = sorted(set(effects) - {_name(configured), MEAN}, key=_step)
            order = [name for name in (_name(configured), *others, MEAN) if name in effects]
            lines += [
                {"target": target, "outcome": outcome, **line}
                for line in _lines(effects[order], OUTCOMES[outcome] == "lower", confidence)
            ]
    return pd.DataFrame(lines)


def _name(step: int) -> str:
    return f"checkpoint-{step}"


def _step(name: str) -> int:
    return int(name.rpartition("-")[2])


def _scores(selection: str, target: str, configured: int) -> str | None:
    """What a selection is called here; None of one that is not by influence on the target."""
    method, of, _ = design.Selection.parse(selection)
    step = configured if method == "influence" else variants.step_of(method)
    if of != target:
        return None
    return MEAN if method == variants.ALL_CHECKPOINTS else None if step is None else _name(step)


def _lines(effects: pd.DataFrame, more: bool, confidence: float) -> list[dict[str, Any]]:
    """The lines of one target and outcome.

    Args:
        effects: a row for each order, a column for each kind of scores, the configured one first.
        more: whether a larger difference is a stronger effect of removal.
    """
    values = effects.to_numpy(float)
    half = len(values) // 2
    lines = [_line(name, values[:, place], values[:, 0], confidence) for place, name in enumerate(effects)]
    tested = np.array([line["to_configured_p"] for line in lines[1:]])
    place = int(np.argmax((values if more else -values)[:half].mean(axis=0))) if half else 0
    judged = values[half:] if half else values[:0]
    lines.append(_line(CHOSEN, judged[:, place], judged[:, 0], confidence))
    corrected = [np.nan, *statistics.adjusted(tested), np.nan]
    return [
        {
            **line,
            "configured": number == 0,
            "picked": effects.columns[place] if line["scores"] == CHOSEN and half else NONE,
            "to_configured_q": q,
        }
        for number, (line, q) in enumerate(zip(lines, corrected, strict=True))
    ]


def _line(name: str, mine: np.ndarray, own: np.ndarray, confidence: float) -> dict[str, Any]:
    """The differences of one kind of scores, over orders; that of the configured one to itself is 0."""
    line: dict[str, Any] = {"scores": name, "seeds": len(mine)}
    for column, other in (("to_random", np.zeros(len(mine))), ("to_configured", own)):
        found = statistics.Difference(*[np.nan] * 5)
        if len(mine):
            found = statistics.paired_difference(mine, other, confidence)
        line |= csv_tables.columns(column, found)
    return line
