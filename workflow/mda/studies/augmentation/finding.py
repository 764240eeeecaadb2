"""Findings: new samples work when all are inserted at one step, and in a larger model."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import NO_INTERVAL, Finding, Measure, Measured, Settings, Tables, unknown
from mda.evidence.intervention_findings import at_the_end, forms
from mda.evidence.table_lines import BENJAMINI_HOCHBERG, cell, corrected_words, measured


def transfer(role: str) -> Measure:
    """What new samples do in another experiment that has this one's motifs, by its role."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables.get("augmentation")
        if table is None:
            return None
        effects = {"effects": table[(table["role"] == role) & (table["target"] == target)]}
        own = f"influence-{target}"
        line = cell(effects, target, "score_area", "augment", own, settings.fraction)
        if line is None:
            return None
        if not forms(effects, target, settings.start):
            return unknown(f"the unit does not form in {line['experiment']}", possible=False)
        if np.isnan(line["to_random_q"]):
            return unknown(NO_INTERVAL)
        holds = bool(line["to_random"] > 0 and line["to_random_q"] < 1 - settings.confidence)
        of_table = "all comparisons of this outcome in its table"
        corrected = corrected_words(line["to_random_p"], line["to_random_q"], of_table, BENJAMINI_HOCHBERG)
        note = f"in {line['experiment']}; {corrected}"
        note += at_the_end(cell(effects, target, "score_final", "augment", own, settings.fraction))
        detectable = line["to_random_detectable"]
        return measured(line, "to_random", holds, line["seeds"], "mean metric", detectable, note)

    return measure


AT_ONCE = Finding(
    "at-once", "New samples raise the unit's metric when all are inserted at one step",
    "0.432 to 0.485 (14M)", "augmentation", transfer("at-once"),
)  # fmt: skip
LARGER = Finding(
    "transfer", "New samples raise the unit's metric in a larger model as well",
    "0.472 to 0.523 (31M), 0.304 to 0.352 (70M), 0.508 to 0.558 (160M)", "augmentation", transfer("larger"),
)  # fmt: skip
