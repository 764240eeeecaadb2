"""What removing the samples of one unit does to every head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import csv_tables, effect_table, statistics
from mda.models.units import Head
from mda.planning.cell import Cell

METRICS = ("prefix_matching", "previous_token")


def areas(cell: Cell, heads: pd.DataFrame) -> pd.DataFrame:
    """Mean over the window of every head's metrics in one run: head, metric, area, and the cell's columns."""
    lines: list[dict[str, Any]] = []
    for (layer, number), run in heads.groupby(["layer", "head"], sort=True):
        run = run.sort_values("step")
        for metric in METRICS:
            area = statistics.area(run["step"].to_numpy(float), run[metric].to_numpy())
            lines.append({"head": str(Head(layer, number)), "metric": metric, "area": area, **cell._asdict()})
    return pd.DataFrame(lines)


def effects(
    table: pd.DataFrame,
    units: Mapping[str, Sequence[str]],
    final: Mapping[str, float],
    threshold: float,
    confidence: float,
) -> pd.DataFrame:
    """The effect of each target's removal on every head, against removal at random.

    Args:
        table: `areas` of all runs.
        units: target -> its heads, as they are written.
        final: head -> its prefix-matching score at the end of the base run.
        threshold: a head whose score reaches it is an induction head. It need not form in the window.

    Returns:
        A line for each removed target, head and metric: own (the head is one of the target's), induction (it
        is an induction head), base (mean area in the base runs), and the columns of
        `mda.evidence.effect_table.compare` as `to_random`, with `_q` over the heads; and of each target the
        columns of `contrast`.
    """
    lines = []
    for (head, metric), mine in table.groupby(["head", "metric"], sort=True):
        base = mine[mine["intervention"] == "base"]
        control = mine[mine["selection"] == "random"]
        for selection, runs in mine.groupby("selection", sort=True):
            target = str(selection).removeprefix("influence-")
            if target not in units:
                continue
            lines.append(
                {
                    "removed": target,
                    "removed_units": " ".join(units[target]),
                    "head": head,
                    "metric": metric,
                    "own": head in units[target],
                    "induction": final[str(head)] >= threshold,
                    "base": float(base["area"].mean()),
                    "seeds": len(runs),
                    **effect_table.compare(runs, control, "area", "to_random", confidence),
                }
            )
    found = pd.DataFrame(lines)
    groups = found.groupby(["removed", "metric"])["to_random_p"]
    found = found.assign(to_random_q=groups.transform(statistics.adjusted))
    induction = {head for head, score in final.items() if score >= threshold}
    return found.merge(contrast(table, units, induction, confidence), on="removed", how="left")


def contrast(
    table: pd.DataFrame, units: Mapping[str, Sequence[str]], induction_heads: Set[str], confidence: float
) -> pd.DataFrame:
    """For each removed target: how much more other induction heads lose than heads that are none.

    Every head is judged by its own metric, prefix matching of induction heads and of the others that of which
    they have most, as a share of what the base runs have: a head without prefix matching has none to lose.

    Args:
        table: `areas` of all runs.

    Returns:
        A line for each target with heads of both sorts beside its own: removed, induction_change and
        rest_change (mean relative change against removal at random); contrast, their difference paired by
        seed, with the interval, p-value and detectable difference of `statistics.Difference`; and
        tenfold_high: below zero, the first change is, within the same interval, below both 10 and -10 times
        the second.
    """
    wide = table.pivot_table(index=["selection", "seed"], columns=["head", "metric"], values="area")
    base = table[table["intervention"] == "base"].groupby(["head", "metric"])["area"].mean()
    heads = sorted(set(table["head"]))
    own = {
        head: (head, "prefix_matching" if head in induction_heads else max(METRICS, key=base[head].get))
        for head in heads
    }
    lines = []
    for target, members in units.items():
        others = [head for head in heads if head not in members]
        induction = [own[head] for head in others if head in induction_heads]
        rest = [own[head] for head in others if head not in induction_heads]
        if f"influence-{target}" not in wide.index or not induction or not rest:
            continue
        change = ((wide.loc[f"influence-{target}"] - wide.loc["random"]) / base)[[*induction, *rest]]
        # What is zero in the base runs has no relative change.
        change = change.replace([np.inf, -np.inf], np.nan).dropna(axis="columns", how="all").dropna()
        induction, rest = ([name for name in group if name in change] for group in (induction, rest))
        if change.empty or not induction or not rest:
            continue
        one, two = (change[columns].mean(axis=1).to_numpy() for columns in (induction, rest))
        found = statistics.paired_difference(one, two, confidence)
        lines.append(
            {
                "removed": target,
                "induction_change": one.mean(),
                "rest_change": two.mean(),
                **csv_tables.columns("contrast", found),
                "tenfold_high": np.max(
                    [statistics.paired_difference(one, sign * 10 * two, confidence).high for sign in (1, -1)]
                ),
            }
        )
    columns = ["removed", "induction_change", "rest_change", "contrast", "contrast_low", "contrast_high"]
    return pd.DataFrame(lines, columns=[*columns, "contrast_p", "contrast_detectable", "tenfold_high"])
