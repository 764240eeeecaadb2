"""Finding: a tenth of the samples is enough."""

from __future__ import annotations

import numpy as np

from mda.evidence import planned_tests
from mda.evidence.finding import NO_INTERVAL, SAME, Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import all_the_same, line_of


def least_share(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The least share of the window whose removal delays the unit, that of the selection or less."""
    table = tables.get("dose")
    if table is None:
        return None
    why: Measured | None = None
    for kind in planned_tests.TESTS["removal"].kinds:
        line = line_of(
            tables, "dose", target=target, outcome="formation_step", intervention=kind,
            selection=f"influence-{target}",
        )  # fmt: skip
        if line is None:
            continue
        if np.isnan(line["to_random_p"]):
            why = unknown(NO_INTERVAL)
            continue
        mine = table[(table["target"] == target) & (table["intervention"] == kind)]
        own = mine[(mine["outcome"] == "formation_step") & (mine["selection"] == f"influence-{target}")]
        if all(all_the_same(one, "to_random") for _, one in own.iterrows()):
            why = unknown(SAME, possible=False)
            continue
        every = mine["fraction"].unique()
        tried = ", ".join(f"{100 * share:g}" for share in sorted(every))
        note = f"tried: {tried} %, with p-values that are corrected for all of its table"
        least = 100 * line["smallest"]
        holds = bool(line["smallest"] <= settings.fraction)
        words = "% of the window's samples"
        return Measured(least, np.nan, np.nan, holds, int(line["seeds"]), words, note=note)
    return why


FINDING = Finding(
    "dose", "Removing a tenth of the samples, or less, is enough to delay the unit",
    "10 % of the window or less", "dose", least_share,
    "removal of several shares of the samples (study dose); of one share it is the claim on removal",
)  # fmt: skip
