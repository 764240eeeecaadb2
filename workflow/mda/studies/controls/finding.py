"""Findings: influence selects better than each control."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mda.evidence.finding import NO_INTERVAL, SAME, Finding, Measure, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import BENJAMINI_HOCHBERG, all_the_same, corrected_words, measured


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
        if mine.empty:
            return None
        line = mine.iloc[0]
        if np.isnan(line["beyond_low"]):
            return unknown(NO_INTERVAL)
        if all_the_same(line, "beyond"):
            return unknown(SAME, possible=False)
        told = line["beyond_q"] < 1 - settings.confidence
        holds: bool | None = bool(line["stronger"] and told)
        of_outcome = table[(table["target"] == target) & (table["outcome"] == "formation_step")]
        tests = f"{of_outcome['beyond_p'].notna().sum()} other ways to select"
        note = corrected_words(line["beyond_p"], line["beyond_q"], tests, BENJAMINI_HOCHBERG)
        detectable = line["beyond_detectable"]
        if not told and not detectable <= _whole(table, target):
            holds, note = None, f"{note}; a difference as large as that to random samples might be missed"
        elif not told:
            note = f"{note}; a difference as large as that to random samples would be found"
        return measured(line, "beyond", holds, line["seeds"], "steps of difference", detectable, note)

    return measure


def _whole(controls: pd.DataFrame, target: str) -> float:
    """What selecting by influence does beyond selecting at random, in steps; nan if not known."""
    mine = controls[(controls["target"] == target) & (controls["outcome"] == "formation_step")]
    mine = mine[mine["control"] == "random"]
    return abs(mine.iloc[0]["beyond"]) if len(mine) else np.nan


# What selects instead of influence.
WORDS = {
    "repetition": "a repetition score",
    "bigram": "the frequency and reliability of repeated bigrams",
    "compressibility": "the compressibility of the text",
    "loss": "the loss",
    "gradient_norm": "the norm of the unit's gradient",
    "bm25": "BM25 similarity to the probe",
    "matched": "random samples of the same labels",
    "identity": "influence without curvature",
}
FINDINGS = tuple(
    Finding(
        f"beyond-{control.replace('_', '-')}", f"Influence selects better than {words}", "", "controls",
        beyond(control), f"runs that remove the samples of this control ({control} in studies.controls)",
    )
    for control, words in WORDS.items()
)  # fmt: skip
