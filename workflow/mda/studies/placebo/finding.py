"""Finding: runs that were treated at random seem to differ no more often than chance gives."""

from __future__ import annotations

import numpy as np

from mda.evidence.false_findings import at_nominal_rate
from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import line_of, measured

# Of 4,000: where fewer have a spread, most runs came out the same.
LEAST = 2000


def false_findings(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """How often formation steps of runs that were treated at random seem to differ."""
    line = line_of(tables, "placebo", target=target, outcome="formation_step")
    if line is None:
        return None
    if np.isnan(line["rate_low"]):
        return unknown("no comparison has a spread: no unit forms, or runs are too few", possible=False)
    holds, note = at_nominal_rate(line, f"{line['subsets']} subsets, {line['pairs']} pairs a comparison")
    if line["comparisons"] < LEAST:
        holds, note = None, f"{note}; in most of them no unit forms"
    words = f"of comparisons have p < {line['nominal']:.2g}"
    found = measured(line, "rate", holds, int(line["comparisons"]), words, note=note)
    return found._replace(possible=bool(line["comparisons"] >= LEAST))


FINDING = Finding(
    "placebo", "Runs that were treated at random seem to differ no more often than chance gives", "",
    "placebo", false_findings,
)  # fmt: skip
