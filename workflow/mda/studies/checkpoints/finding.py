"""Finding: another checkpoint, or their mean, selects better than the configured one."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import NO_INTERVAL, SAME, Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import all_the_same, measured
from mda.studies.checkpoints.table import CHOSEN

# With fewer orders that judge, the answer is never no.
LEAST = 3


def chosen(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """What the scores that did most in half of the orders do in the others, beyond the configured ones."""
    if "checkpoints" not in tables:
        return None
    table = tables["checkpoints"]
    mine = table[(table["target"] == target) & (table["outcome"] == "formation_step")].set_index("scores")
    if mine.empty:
        return None
    line, own = mine.loc[CHOSEN], mine[mine["configured"]].iloc[0]
    if all_the_same(own, "to_random"):
        return unknown(SAME, possible=False)
    if np.isnan(line["to_configured"]):
        return unknown("one order can choose nothing that another one judges")
    picked, judged = str(line["picked"]), line["seeds"]
    note = f"chosen in the other {own['seeds'] - judged} orders: {picked}"
    if mine.loc[picked, "configured"]:
        return unknown(f"{note}, the configured one, so no other was judged")
    if np.isnan(line["to_configured_low"]):
        return unknown(f"{note}; {NO_INTERVAL}")
    holds: bool | None = bool(line["to_configured_low"] > 0)
    detectable = line["to_configured_detectable"]
    if not holds and judged < LEAST:
        holds, note = None, f"{note}; {judged} orders are too few to say no"
    elif not holds and line["to_configured_high"] > 0 and detectable > abs(own["to_random"]):
        holds, note = None, f"{note}; too few runs to tell less than the whole effect"
    return measured(line, "to_configured", holds, judged, "steps of difference", detectable, note)


FINDING = Finding(
    "other-checkpoints",
    "Influence at another checkpoint, or its mean over checkpoints, selects better than at the configured "
    "one",
    "", "checkpoints", chosen,
)  # fmt: skip
