"""Measures of a finding on retrainings: what became of a unit, in runs with their orders or models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mda.evidence import planned, statistics
from mda.evidence.measured import (
    Measure,
    Measured,
    Settings,
    Tables,
    all_the_same,
    cell,
    first,
    line_of,
    measured,
    p_values,
)  # fmt: skip


def forms(tables: Tables, target: str, start: int) -> bool:
    """Whether the unit forms in most base runs, and has not formed before them."""
    base = cell(tables, target, "formation_step", "base", "none", 0.0)
    return base is not None and bool(base["formed"] >= 0.5 and base["mean"] > start)


def effect(name: str) -> Measure:
    """A planned test: the intervention moves its outcome against the same at random, as is claimed."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        lines = {}
        own = f"influence-{target}"
        for other, test in planned.TESTS.items():
            line = first(tables, target, test.outcome, test.kinds, own, settings.fraction)
            if line is not None and not np.isnan(line["to_random"]):
                lines[other] = line
        if name not in lines:
            return None
        found = _planned(name, lines, "seeds", settings)
        if planned.TESTS[name].outcome != "score_area":
            return found
        last = first(tables, target, "score_final", planned.TESTS[name].kinds, own, settings.fraction)
        return found._replace(note=found.note + _at_the_end(last))

    return measure


def _at_the_end(line: pd.Series | None) -> str:
    """What is left of an effect, by the line of the metric at the end."""
    if line is None or np.isnan(line["to_random_low"]):
        return ""
    ends = [line[f"to_random{end}"] for end in ("", "_low", "_high")]
    return "; at the end of the window {:+.3f} [{:+.3f}, {:+.3f}]".format(*ends)


def replicated(name: str) -> Measure:
    """The same test across experiments from other initial weights."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables.get("replication")
        if table is None:
            return None
        mine = table[(table["target"] == target) & (table["experiment"] == "all")].set_index("test")
        lines = {test: line for test, line in mine.iterrows() if not np.isnan(line["to_random"])}
        return _planned(name, lines, "runs", settings) if name in lines else None

    return measure


def _planned(name: str, lines: Mapping[str, pd.Series], number: str, settings: Settings) -> Measured:
    """A planned test among those of its table, each with its p-value; the column `number` has its size."""
    line, test = lines[name], planned.TESTS[name]
    tests = {
        key: np.nan if all_the_same(other, "to_random") else other["to_random_p"]
        for key, other in lines.items()
    }
    corrected = planned.corrected(tests)
    if name not in corrected:
        return measured(line, "to_random", None, line[number], test.unit)
    alpha = 1 - settings.confidence
    holds = bool(test.sign * line["to_random"] > 0 and corrected[name] < alpha)
    # What the strictest of the corrected tests can see.
    shifts = [
        statistics.detectable_shift(int(line[number]), 1 - level) for level in (alpha / len(corrected), alpha)
    ]
    detectable = line["to_random_detectable"] * shifts[0] / shifts[1]
    note = f"p {tests[name]:.2g}, of {len(corrected)} planned tests {corrected[name]:.2g}"
    return measured(line, "to_random", holds, line[number], test.unit, detectable, note)


def as_the_base(kinds: Sequence[str], selection: str) -> Measure:
    """Equivalence: the unit forms when the base's does, to within half of the least effect of its removal.

    Where removal is not known to have an effect there is nothing to be equivalent to, and an interval that
    has both sides of the margin tells nothing.

    Args:
        kinds: of the intervention; of several that there are it is the one that moves the unit most.
        selection: with `{target}` in the place of the target.
    """

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        removal = planned.TESTS["removal"]
        place = (tables, target, removal.outcome)
        cells = [cell(*place, kind, selection.format(target=target), settings.fraction) for kind in kinds]
        found = [one for one in cells if one is not None and not np.isnan(one["to_base_low"])]
        line = max(found, key=lambda one: abs(one["to_base"]), default=None)
        own = first(*place, removal.kinds, f"influence-{target}", settings.fraction)
        if line is None or own is None:
            return None
        margin = own["to_base_low"] / 2
        effective = effect("removal")(tables, target, settings)
        if effective is None or not effective.holds or margin <= 0:
            holds, note = None, "asks for an effect of removal to hold it against"
        else:
            holds, note = _within(line, "to_base", margin)
            note = f"{KINDS[line['intervention']]}to within {margin:.3g} steps, {note}"
        return measured(line, "to_base", holds, line["seeds"], "steps", line["to_base_detectable"], note)

    return measure


def least_share(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The least share of the window whose removal delays the unit, that of the selection or less."""
    table = tables.get("dose")
    if table is None:
        return None
    for kind in planned.TESTS["removal"].kinds:
        line = line_of(
            tables, "dose", target=target, outcome="formation_step", intervention=kind,
            selection=f"influence-{target}",
        )  # fmt: skip
        if line is None or np.isnan(line["to_random_p"]):
            continue
        mine = table[(table["target"] == target) & (table["intervention"] == kind)]
        own = mine[(mine["outcome"] == "formation_step") & (mine["selection"] == f"influence-{target}")]
        if all(all_the_same(one, "to_random") for _, one in own.iterrows()):
            continue
        every = mine["fraction"].unique()
        note = f"of {', '.join(f'{100 * share:g}' for share in sorted(every))} %, corrected with its table"
        least = 100 * line["smallest"]
        holds = bool(line["smallest"] <= settings.fraction)
        words = "% of the window's samples"
        return Measured(least, np.nan, np.nan, holds, int(line["seeds"]), words, note=note)
    return None


# How a removal at random was done: where both were, it matters.
KINDS = {"replace": "others in their places; ", "mask": "masked; ", "swap": ""}


def _within(line: pd.Series, name: str, margin: float) -> tuple[bool | None, str]:
    """Whether an interval is within a margin of zero (yes), has all but it (no), or has both (not told)."""
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    note = "half of the least effect of removal"
    if -margin < low and high < margin:
        return True, note
    if low > 0 or high < 0:
        return False, note
    return None, f"{note}; too few runs to tell"


def contrast(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The other induction heads lose more of their own metric than heads that are none: ten times as much."""
    line = line_of(tables, "crossed", removed=target)
    if line is None or np.isnan(line["contrast_low"]) or all_the_same(line, "contrast"):
        return None
    induction, rest = line["induction_change"], line["rest_change"]
    holds = bool(line["contrast_high"] < 0 and line["tenfold_high"] < 0)
    note = f"induction heads {100 * induction:+.0f} %, others {100 * rest:+.0f} % of their own metric"
    value, low, high, detectable = (
        100 * line[f"contrast{end}"] for end in ("", "_low", "_high", "_detectable")
    )
    return Measured(value, low, high, holds, int(line["seeds"]), "percentage points", detectable, note)


def coupling(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The correlation of the unit's metric with the ICL score, also given the held-out loss."""
    line = line_of(tables, "coupling", target=target, runs_of="all")
    if line is None or np.isnan(line["r_low"]):
        return None
    words = "Pearson's r with the ICL score, lower is better"
    note = f"given the held-out loss {_given(line)}"
    mine = tables["coupling"]
    mine = mine[(mine["target"] == target) & (mine["runs_of"] != "all") & mine["partial_r_low"].notna()]
    for _, one in mine.iterrows():
        note += f", of {one['runs_of']} alone {_given(one)}"
    holds: bool | None = bool(line["r_high"] < 0 and line["partial_r_high"] < 0)
    if np.isnan(line["partial_r_high"]):
        holds = None
    return measured(line, "r", holds, line["seeds"], words, note=note)


def _given(line: pd.Series) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*(line[f"partial_r{end}"] for end in ("", "_low", "_high")))


def transfer(role: str) -> Measure:
    """What new samples do in another experiment that has this one's motifs, by its role."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables.get("augmentation")
        if table is None:
            return None
        effects = {"effects": table[(table["role"] == role) & (table["target"] == target)]}
        own = f"influence-{target}"
        line = cell(effects, target, "score_area", "augment", own, settings.fraction)
        if line is None or np.isnan(line["to_random_q"]) or not forms(effects, target, settings.start):
            return None
        holds = bool(line["to_random"] > 0 and line["to_random_q"] < 1 - settings.confidence)
        note = f"in {line['experiment']}; {p_values(line, 'to_random')}"
        note += _at_the_end(cell(effects, target, "score_final", "augment", own, settings.fraction))
        detectable = line["to_random_detectable"]
        return measured(line, "to_random", holds, line["seeds"], "mean metric", detectable, note)

    return measure


def beyond(control: str) -> Measure:
    """What selecting by influence does beyond a control."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables.get("controls")
        if table is None:
            return None
        names = (control, f"{control}-{target}")
        mine = table[
            (table["target"] == target)
            & (table["outcome"] == "formation_step")
            & table["control"].isin(names)
        ]
        if mine.empty or np.isnan(mine.iloc[0]["beyond_low"]) or all_the_same(mine.iloc[0], "beyond"):
            return None
        line = mine.iloc[0]
        told = line["beyond_q"] < 1 - settings.confidence
        holds: bool | None = bool(line["stronger"] and told)
        detectable, note = line["beyond_detectable"], p_values(line, "beyond")
        if not told and detectable > _whole(table, target):
            holds, note = None, f"{note}; too few runs to tell less than the whole effect"
        return measured(line, "beyond", holds, line["seeds"], "steps beyond", detectable, note)

    return measure


def _whole(controls: pd.DataFrame, target: str) -> float:
    """What selecting by influence does beyond selecting at random, in steps; infinite if not known."""
    mine = controls[(controls["target"] == target) & (controls["outcome"] == "formation_step")]
    mine = mine[mine["control"] == "random"]
    return abs(mine.iloc[0]["beyond"]) if len(mine) else np.inf


def lds(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The linear datamodelling score of influence."""
    line = line_of(tables, "datamodel", target=target, method="influence", outcome="score_area")
    if line is None or np.isnan(line["lds"]):
        return None
    holds: bool | None = bool(line["lds_low"] > 0)
    detectable, note = line["detectable"], f"{line['orders']:.0f} runs a subset"
    if not np.isnan(line["reliability"]):
        note += f", whose mean has a reliability of {line['reliability']:.2f} (estimated)"
    if not holds and line["ceiling"] < detectable:
        holds, note = None, f"{note}; not even the truth would be found"
    return measured(line, "lds", holds, line["subsets"], "LDS", detectable, note)


# Of 4,000: where fewer have a spread, most runs came out the same.
PLACEBO_LEAST = 2000


def placebo(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """How often formation steps of runs that were treated at random seem to differ."""
    line = line_of(tables, "placebo", target=target, outcome="formation_step")
    if line is None or np.isnan(line["rate_low"]):
        return None
    holds, note = _at_nominal_rate(line, f"{line['subsets']} subsets, {line['pairs']} pairs a comparison")
    if line["comparisons"] < PLACEBO_LEAST:
        holds, note = None, f"{note}; in most of them no unit forms"
    words = f"of comparisons have p < {line['nominal']:.2g}"
    return measured(line, "rate", holds, int(line["comparisons"]), words, note=note)


def no_false_effects(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """How often the unit seems to move where there is nothing to move it."""
    line = line_of(tables, "null", comparison="to_random", outcomes="unit")
    if line is None:
        return None
    note = f"{line['tests']} tests, of which {line['corrected']} stay after correction"
    holds, note = _at_nominal_rate(line, note)
    if line["corrected"] > 0:
        holds = False
    words = f"of tests have p < {line['nominal']:.2g}"
    return measured(line, "rate", holds, int(line["tests"]), words, note=note)


def _at_nominal_rate(line: pd.Series, note: str) -> tuple[bool | None, str]:
    """Whether a rate of false findings is the nominal one; None where it cannot be told from twice that."""
    if line["rate_low"] > line["nominal"]:
        return False, note
    if line["rate_high"] > 2 * line["nominal"]:
        return None, f"{note}; too few to tell from twice the nominal rate"
    return True, note
