"""From the metrics of all runs to one table of effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import statistics
from mda.models.units import Head, Unit
from mda.planning.cell import BASE, Cell

# Outcome -> the direction in which the unit, or the model, is stronger.
OUTCOMES = {
    "formation_step": "lower",
    "score_area": "higher",
    "score_final": "higher",
    "icl_area": "lower",
    "icl_final": "lower",
    "held_out_area": "lower",
    "held_out_final": "lower",
}
CELL = ["intervention", "selection", "fraction"]


def curves(
    cell: Cell, steps: pd.DataFrame, heads: pd.DataFrame, targets: Mapping[str, tuple[Sequence[Unit], str]]
) -> pd.DataFrame:
    """One run's curves, a line a target and step.

    Args:
        steps, heads: what the training wrote.
        targets: name -> units, metric.

    Returns:
        The cell's columns, target, step, score (the metric, mean over the target's units),
        icl_score, held_out_loss, train_loss.
    """
    parts = []
    for name, (places, metric) in targets.items():
        if metric == "activation":
            score = steps.set_index("step")[[f"activation {unit}" for unit in places]].mean(axis=1)
        else:
            mine = [Head(*place) in places for place in zip(heads["layer"], heads["head"], strict=True)]
            score = heads[mine].groupby("step")[metric].mean()
        part = steps.merge(score.rename("score"), left_on="step", right_index=True, validate="one_to_one")
        parts.append(part.assign(target=name))
    columns = ["target", "step", "score", "icl_score", "held_out_loss", "train_loss"]
    return pd.concat(parts)[columns].assign(**cell._asdict())


def outcomes(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """The outcomes of every run and target, a line each, from all runs' curves."""
    lines: list[dict[str, Any]] = []
    for key, run in table.groupby(["target", *CELL, "seed"], sort=True):
        run = run.sort_values("step")
        steps = run["step"].to_numpy(float)
        formed = statistics.formation(steps, run["score"].to_numpy(), threshold)
        line = dict(zip(["target", *CELL, "seed"], key, strict=True))
        line |= {"formation_step": formed.step, "formed": formed.formed}
        for name, column in (("score", "score"), ("icl", "icl_score"), ("held_out", "held_out_loss")):
            curve = run[column].to_numpy()
            line |= {f"{name}_area": statistics.area(steps, curve), f"{name}_final": float(curve[-1])}
        lines.append(line)
    return pd.DataFrame(lines)


def effects(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The effect of every cell on every outcome.

    Args:
        table: from `outcomes`.

    Returns:
        A line a target, outcome and cell: `mean` over seeds, `formed` (share of the runs that
        formed), and against the base (`to_base`) and the random control of the same
        intervention and fraction (`to_random`): mean difference paired by seed, `_low`, `_high`
        of its interval, `_p`, `_q` (corrected for the number of cells of the target and outcome), and
        `_detectable`; see `statistics.Difference`. A cell has nan against itself, and where there is no
        such control.
    """
    lines = []
    for (target, *cell), runs in table.groupby(["target", *CELL], sort=True):
        mine = table[table["target"] == target]
        base = mine[mine["intervention"] == BASE]
        same = (mine["intervention"] == cell[0]) & (mine["fraction"] == cell[2])
        control = mine[same & (mine["selection"] == "random")]
        for outcome, better in OUTCOMES.items():
            line: dict[str, Any] = {"target": target, "outcome": outcome, "better": better}
            line |= dict(zip(CELL, cell, strict=True))
            line |= {
                "seeds": len(runs),
                "formed": float(runs["formed"].mean()),
                "mean": float(runs[outcome].mean()),
            }
            line |= compare(runs, None if cell[0] == BASE else base, outcome, "to_base", confidence)
            itself = cell[0] == BASE or cell[1] == "random"
            line |= compare(runs, None if itself else control, outcome, "to_random", confidence)
            lines.append(line)
    found = pd.DataFrame(lines)
    for name in ("to_base", "to_random"):
        groups = found.groupby(["target", "outcome"])[f"{name}_p"]
        found.insert(
            found.columns.get_loc(f"{name}_p") + 1, f"{name}_q", groups.transform(statistics.adjusted)
        )
    return found


def compare(
    runs: pd.DataFrame, other: pd.DataFrame | None, outcome: str, name: str, confidence: float
) -> dict[str, float]:
    """The difference of an outcome between two groups of runs, paired by seed, as columns `name`..."""
    nothing = statistics.Difference(*[np.nan] * 5)
    difference = nothing
    if other is not None:
        one, two = runs.set_index("seed")[outcome], other.set_index("seed")[outcome]
        seeds = one.index.intersection(two.index).sort_values()
        if len(seeds):
            difference = statistics.paired_difference(
                one.loc[seeds].to_numpy(), two.loc[seeds].to_numpy(), confidence
            )
    return columns(difference, name)


def columns(difference: statistics.Difference, name: str) -> dict[str, float]:
    """A difference as columns of a table: `name`, and `name` with `_low`, `_high`, `_p`, `_detectable`."""
    ends = ("", "_low", "_high", "_p", "_detectable")
    return {f"{name}{end}": value for end, value in zip(ends, difference, strict=True)}


def smallest_fraction(cells: pd.DataFrame, confidence: float) -> float:
    """The smallest fraction that has an effect, of one selection's lines of `effects`; nan if none.

    An effect is a difference to random whose corrected p-value tells it, in the direction in which the
    intervention pushes; of random itself, a difference to the base in any direction.
    """
    if (cells["selection"] == "random").all():
        seen = cells[cells["to_base_q"] < 1 - confidence]
    else:
        pushed = np.where(cells["better"] == "higher", 1, -1)
        pushed = pushed * np.where(cells["intervention"].isin(["mask", "replace"]), -1, 1)
        seen = cells[(cells["to_random_q"] < 1 - confidence) & (pushed * cells["to_random"] > 0)]
    return float(seen["fraction"].min()) if len(seen) else np.nan


def against_controls(table: pd.DataFrame, kind: str, fraction: float, confidence: float) -> pd.DataFrame:
    """What selecting by influence does beyond every other selection for the same target.

    Args:
        table: from `outcomes`.

    Returns:
        A line a target, outcome and control: the difference influence - control, paired by seed, as the
        columns `beyond`... of `compare`, `beyond_q`, and `stronger`: whether the interval excludes zero in
        the direction in which the intervention pushes the unit.
    """
    lines = []
    cell = table[(table["intervention"] == kind) & np.isclose(table["fraction"], fraction)]
    for target, mine in cell.groupby("target", sort=False):
        own = mine[mine["selection"] == f"influence-{target}"]
        for selection, runs in mine.groupby("selection", sort=True):
            method, _, of = str(selection).partition("-")
            # Samples of other units are no controls.
            if method == "influence" or of not in ("", target):
                continue
            for outcome, better in OUTCOMES.items():
                line = compare(own, runs, outcome, "beyond", confidence)
                # Removing weakens the unit, adding strengthens it.
                sign = (1 if better == "higher" else -1) * (-1 if kind in ("mask", "replace") else 1)
                edge = line["beyond_low"] if sign > 0 else -line["beyond_high"]
                lines.append(
                    {
                        "target": target,
                        "intervention": kind,
                        "fraction": fraction,
                        "control": selection,
                        "outcome": outcome,
                        "seeds": len(runs),
                        **line,
                        "stronger": bool(edge > 0),
                    }
                )
    found = pd.DataFrame(lines)
    groups = found.groupby(["target", "outcome"])["beyond_p"]
    found.insert(found.columns.get_loc("beyond_p") + 1, "beyond_q", groups.transform(statistics.adjusted))
    return found


def coupling(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """How interventions move the unit's metric and the ICL score together, each a mean over the window.

    A run counts as its difference to the base run of its seed, for runs of one order are alike.

    Args:
        table: from `outcomes`.

    Returns:
        A line a target and group of runs ('all', or an intervention; of four runs a seed or more, else nan
        or no line): runs, seeds, and three correlations (Pearson) of the metric, each with its interval: `r`
        with the ICL score, `held_out_r` with the held-out loss, `partial_r` with the ICL score given the
        held-out loss. Intervals are Student's t over the seeds' Fisher transforms; all share a base model and
        the selections.
    """
    columns = ["score_area", "icl_area", "held_out_area"]
    lines = []
    for target, mine in table.groupby("target", sort=False):
        base = mine[mine["intervention"] == BASE].set_index("seed")[columns]
        treated = mine[mine["intervention"] != BASE]
        moved = treated[columns] - base.loc[treated["seed"]].to_numpy()
        for name in ("all", *sorted(set(treated["intervention"]))):
            chosen = np.ones(len(treated), bool) if name == "all" else treated["intervention"] == name
            seeds = [part.to_numpy() for _, part in moved[chosen].groupby(treated["seed"][chosen])]
            few = min(map(len, seeds), default=0) < 4
            if few and name != "all":
                continue
            line: dict[str, Any] = {"target": target, "runs_of": name, "runs": int(np.sum(chosen))}
            found = np.full((1, 3), np.nan) if few else np.array([_correlations(part) for part in seeds])
            # Beyond one by rounding.
            found = np.clip(found, -1 + 1e-12, 1 - 1e-12)
            for column, values in zip(("r", "held_out_r", "partial_r"), found.T, strict=True):
                mean, low, high, *_ = statistics.paired_difference(
                    np.arctanh(values), np.zeros(len(values)), confidence
                )
                ends = dict(zip(("", "_low", "_high"), np.tanh([mean, low, high]), strict=True))
                line |= {f"{column}{end}": value for end, value in ends.items()}
            lines.append({**line, "seeds": len(seeds)})
    return pd.DataFrame(lines, columns=COUPLING)


COUPLING = [
    "target", "runs_of", "runs", "seeds",
    *(f"{name}{end}" for name in ("r", "held_out_r", "partial_r") for end in ("", "_low", "_high")),
]  # fmt: skip


def _correlations(moved: np.ndarray) -> tuple[float, float, float]:
    """Of the metric with the ICL score, with the held-out loss, and with the first given the second."""
    with np.errstate(invalid="ignore", divide="ignore"):
        score_icl, score_loss, icl_loss = np.corrcoef(moved.T)[np.triu_indices(3, 1)]
        rest = np.sqrt((1 - score_loss**2) * (1 - icl_loss**2))
        return score_icl, score_loss, (score_icl - score_loss * icl_loss) / rest
