"""Findings: influence does more than each control that was planned, over several models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mda.evidence.effect_table import OUTCOMES
from mda.evidence.finding import NO_INTERVAL, SAME, Finding, Measure, Measured, Settings, Tables, unknown
from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.evidence.table_lines import HOLM, all_the_same, corrected_words, measured
from mda.studies.contrasts.table import ALL
from mda.studies.controls.finding import WORDS

DONE = {"replace": "Removing", "mask": "Masking", "duplicate": "Duplicating", "augment": "Imitating"}
# What a control selects that ranks nothing.
SAMPLES = {
    "random": "random samples",
    "matched": "random samples of the same labels",
    "own": "the samples of a table of yours",
}
# What weakens the unit.
WEAKENS = ("replace", "mask")
CONTRAST = ["intervention", "control", "outcome"]


def findings(tables: Tables) -> list[tuple[str, Finding]]:
    """A finding for each target and planned contrast, in the order in which they were planned."""
    table = tables.get("contrasts")
    if table is None or table.empty:
        return []
    return [(str(line["target"]), _finding(line)) for _, line in across(table).iterrows()]


def across(table: pd.DataFrame) -> pd.DataFrame:
    """The lines over all models."""
    return table[table["experiment"] == ALL]


def _more(line: pd.Series) -> bool:
    """Whether influence did more, in the direction in which the intervention pushes."""
    sign = 1 if OUTCOMES[line["outcome"]] == "higher" else -1
    sign *= -1 if line["intervention"] in WEAKENS else 1
    return bool(sign * line["difference"] > 0)


def _whole(contrasts: pd.DataFrame, line: pd.Series) -> float:
    """What influence does beyond selecting at random, in size; nan if that is not planned or not known."""
    place = ["target", "intervention", "outcome"]
    same = (contrasts[place] == line[place]).all(axis=1) & (contrasts["control"] == "random")
    found = across(contrasts[same])["difference"].dropna()
    return abs(found.iloc[0]) if len(found) else np.nan


def _finding(line: pd.Series) -> Finding:
    place = [str(line[name]) for name in CONTRAST]
    kind, control, outcome = place
    others = f"those by {WORDS.get(control, control)}"
    claim = (
        f"{DONE[kind]} the top samples by influence does more to the {OUTCOME_NAMES[outcome]} than "
        f"{DONE[kind].lower()} {SAMPLES.get(control, others)}, over several models"
    )
    return Finding(f"contrast-{kind}-{control}-{outcome}", claim, "", "contrasts", _measure(place))


def _measure(place: list[str]) -> Measure:
    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables["contrasts"]
        mine = table[(table["target"] == target) & (table[CONTRAST] == place).all(axis=1)]
        line, named = across(mine).iloc[0], len(mine) - 1
        planned = len(across(table[table["target"] == target]))
        if line["models"] == 0:
            return unknown(f"the unit forms in the window in none of {named} models", possible=False)
        if all_the_same(line, "difference"):
            return unknown(SAME, possible=False)
        if np.isnan(line["difference_low"]):
            return unknown(f"{line['models']} of {named} models; {NO_INTERVAL}")
        unit = "steps" if line["outcome"].endswith("formation_step") else OUTCOME_NAMES[line["outcome"]]
        number = f"{planned} planned contrast{'' if planned == 1 else 's'}"
        corrected = corrected_words(line["difference_p"], line["difference_q"], number, HOLM)
        note = f"{line['models']} of {named} models, {line['orders']} orders; {corrected}"
        told = line["difference_q"] < 1 - settings.confidence
        holds: bool | None = bool(told and _more(line))
        detectable = line["difference_detectable"]
        whole = _whole(table, line)
        if not told and np.isnan(whole):
            holds, note = None, f"{note}; no planned contrast against random says how large the effect is"
        elif not told and detectable > whole:
            holds, note = None, f"{note}; too few models to tell less than the whole effect"
        return measured(line, "difference", holds, line["models"], unit, detectable, note)

    return measure
