"""Finding: top samples are repetitive."""

from __future__ import annotations

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import line_of, measured

UNIT = "chance to have more repeated bigrams than a random sample (AUROC; 0.5: as many)"


def repetitive(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Whether proponents have more repeated bigrams than samples at random."""
    line = line_of(tables, "enrichment", target=target, side="proponents", name="repeated bigrams")
    if line is None:
        return None
    holds = bool(line["auroc_low"] > 0.5 and line["q"] < 1 - settings.confidence)
    if line["auroc_low"] == line["auroc_high"] == 0.5:
        return unknown("all samples have as many", possible=False)
    return measured(line, "auroc", holds, 0, UNIT)


FINDING = Finding(
    "repetition", "Top samples are repetitive", "LaTeX, markup, code, records, tables, repeated strings",
    "enrichment", repetitive,
)  # fmt: skip
