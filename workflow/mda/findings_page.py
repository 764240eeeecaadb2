"""The findings as the front page of the report, in reStructuredText."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

INTRODUCTION = """\
Which training data made this part of the model? {experiment}: influence of every training sample on
a unit (EK-FAC, arXiv 2601.21996), and what happened to the unit when the samples were removed,
duplicated or imitated. Each line below is a finding of the paper, or a question that it leaves open,
and what the tables of this experiment say of it. Verdicts are made by the rule ``findings`` from the
files named beside them: *reproduced*, or *yes*, is what a {confidence:g} % interval puts on the side of
the claim (p-values corrected for their number where a table has several); *not tested here* is what was
not configured, or asks for a unit that forms.

Every figure's caption says how it was made; *Studies* has the tables.
"""


def text(found: pd.DataFrame, tables: Mapping[str, pd.DataFrame], confidence: float, experiment: str) -> str:
    """The page: a table of verdicts a target, then what corpora of known answers say."""
    parts = [INTRODUCTION.format(experiment=experiment, confidence=100 * confidence)]
    for target, mine in found.groupby("target", sort=False):
        parts.append(_heading(f"Target {target}"))
        parts.append(_table(mine))
    if "recovery" in tables or "null" in tables:
        parts.append(_heading("Where the answer is known"))
        parts.append(_known(tables))
    return "\n".join(parts)


def number(value: float) -> str:
    """Three significant digits, or a dash."""
    return "-" if np.isnan(value) else f"{value:+.3g}" if abs(value) < 1000 else f"{value:+.0f}"


def measured(line: pd.Series) -> str:
    """A value with its interval and unit in words."""
    if np.isnan(line["value"]):
        return line["note"] or "-"
    words = number(line["value"])
    if not np.isnan(line["low"]):
        words += f" [{number(line['low'])}, {number(line['high'])}]"
    words += f" {line['unit']}"
    if not np.isnan(line["detectable"]):
        words += f"; {line['runs']} seeds could have seen {line['detectable']:.3g}"
    return words + (f"; {line['note']}" if line["note"] else "")


def _heading(words: str) -> str:
    return f"\n{words}\n{'-' * len(words)}\n"


def _table(mine: pd.DataFrame) -> str:
    rows = [("Claim", "Published", "Here", "Verdict", "File (rule)")]
    for _, line in mine.iterrows():
        claimed = (
            line["published"] if isinstance(line["published"], str) and line["published"] else "open question"
        )
        source = f"{line['file']} ({line['rule']})"
        rows.append((line["claim"], claimed, measured(line), f"**{line['verdict']}**", source))
    return _list_table(rows, "30 20 30 10 10")


def _known(tables: Mapping[str, pd.DataFrame]) -> str:
    parts = []
    if "recovery" in tables:
        rows = [("Corpus", "Catalysts", "Method", "AUROC", "Share of catalysts in the top")]
        for _, line in tables["recovery"].iterrows():
            catalysts = f"{100 * line['rate']:.0f} %, {100 * line['noise']:.0f} % of their words at random"
            auroc = f"{line['auroc']:.3f} [{line['auroc_low']:.3f}, {line['auroc_high']:.3f}]"
            rows.append(
                (line["experiment"], catalysts, line["method"], auroc, f"{100 * line['precision']:.0f} %")
            )
        parts.append(_list_table(rows, "20 30 15 20 15"))
    if "null" in tables:
        rows = [("No catalysts at all", "Tests", "p below", "Seen", "After correction")]
        for _, line in tables["null"].iterrows():
            low, high = 100 * line["rate_low"], 100 * line["rate_high"]
            rows.append(
                (
                    f"{line['outcomes']}, {line['comparison'].replace('_', ' ')}",
                    str(line["tests"]),
                    f"{line['nominal']:.2f}",
                    f"{100 * line['rate']:.0f} % [{low:.0f}, {high:.0f}]",
                    str(line["corrected"]),
                )
            )
        parts.append(_list_table(rows, "40 10 10 25 15"))
    return "\n".join(parts)


def _list_table(rows: Sequence[tuple[str, ...]], widths: str) -> str:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        lines += [f"   {'*' if place == 0 else ' '} - {cell}" for place, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
