"""Finding: without catalysts there is no effect."""

from __future__ import annotations

from mda.evidence.false_findings import at_nominal_rate
from mda.evidence.finding import Finding, Measured, Settings, Tables
from mda.evidence.table_lines import line_of, measured


def no_false_effects(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """How often the unit seems to move where there is nothing to move it."""
    line = line_of(tables, "null", comparison="to_random", outcomes="unit")
    if line is None:
        return None
    note = f"{line['tests']} tests, of which {line['corrected']} stay after correction"
    holds, note = at_nominal_rate(line, note)
    if line["corrected"] > 0:
        holds = False
    words = f"of tests have p < {line['nominal']:.2g}"
    return measured(line, "rate", holds, int(line["tests"]), words, note=note)


FINDING = Finding(
    "no-catalysts", "Without catalysts, removal and duplication seem to move the unit, against random, "
    "no more often than chance gives", "", "null", no_false_effects,
)  # fmt: skip
