"""A published finding: the claim, how a table measures it, and the rule for the verdict.

A verdict follows from a table by the rule in `verdict`, never by hand. The findings themselves are in
`mda.evidence.intervention_findings` and in `finding.py` of each study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from mda.evidence import score_notes
from mda.planning.scopes import OF_EACH_SCOPE

# Name of a table, its file without the ending, -> the table.
Tables = Mapping[str, pd.DataFrame]
Measure = Callable[[Tables, str, "Settings"], "Measured | None"]
EFFECTS = "effects"
REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
YES, NO = "yes", "no"
# Too few runs or samples to tell; this experiment could not tell, whatever their number; not done.
INCONCLUSIVE, CANNOT_TELL, NOT_RUN = "inconclusive", "cannot be told here", "not run"
UNDECIDED = (INCONCLUSIVE, CANNOT_TELL, NOT_RUN)
VERDICTS = (REPRODUCED, YES, NOT_REPRODUCED, NO, *UNDECIDED)


class Measured(NamedTuple):
    """What one target's tables say of a finding.

    Attributes:
        value, low, high: the measure with its interval.
        holds: whether the interval lies on the side that the finding claims; None if it cannot be said.
        possible: whether more runs or samples of this experiment could say it.
        seeds: runs, or samples, behind it.
        detectable: the smallest effect that would have been found four times out of five.
        unit: of the value.
        note: what else the reader needs.
    """

    value: float
    low: float
    high: float
    holds: bool | None
    seeds: int
    unit: str
    detectable: float = np.nan
    note: str = ""
    possible: bool = True


def unknown(note: str, possible: bool = True) -> Measured:
    """What was asked of the tables, and has no number; `note` says why, `possible` as in `Measured`."""
    return Measured(np.nan, np.nan, np.nan, None, 0, "", note=note, possible=possible)


# Why a difference has no interval.
NO_INTERVAL = "one run, or runs that all differ by as much, have no interval"
SAME = "every run came out as its pair did: the unit formed in none of them, or at once in all"


@dataclass(frozen=True)
class Settings:
    """What the measures need of the configuration.

    Attributes:
        start: the step at which branches begin.
        scope: folder of the effects: `tables` (the configured interventions) or `evidence` (the studies).
        shuffled: whether the base run reads the samples in random order.
    """

    fraction: float
    confidence: float
    start: int
    scope: str
    shuffled: bool


@dataclass(frozen=True)
class Finding:
    """A finding and how it is measured.

    Attributes:
        name: what it is called in `findings.csv`.
        claim: one sentence.
        published: what arXiv 2601.21996 gives, or '' for a question that it leaves open.
        table: the table that the measure reads: `effects`, or the name of a study.
        measure: (tables, target, settings) -> what was found, or None where the table has nothing of it.
        needs: what has to be run for it, in words; '' for the study of its table.
    """

    name: str
    claim: str
    published: str
    table: str
    measure: Measure
    needs: str = ""

    @property
    def missing(self) -> str:
        """What a reader is told where it was not run."""
        return f"needs {self.needs or f'the study {self.table}'}"

    @property
    def rule(self) -> str:
        """The rule that makes the table."""
        return EFFECTS if self.table == EFFECTS else f"study_{self.table}"

    def file(self, scope: str) -> str:
        """The file of the table, in the folder of results."""
        return f"{scope if self.table in (EFFECTS, *OF_EACH_SCOPE) else 'evidence'}/{self.table}.csv"


def verdict(finding: Finding, found: Measured | None, formed: bool | None) -> str:
    """The verdict on a finding for one target.

    Reproduced (of open questions: yes) is what the interval, corrected for the number of tests where a
    table has several, puts on the side of the claim. A unit that does not form in the base runs, or has
    before, tests nothing, and nor do scores that are all equal.

    Args:
        found: None where nothing was run that could tell.
        formed: whether the experiment can tell anything; None where it has no runs.
    """
    if formed is None or (found is None and formed):
        return NOT_RUN
    if found is None or not formed or not found.possible:
        return CANNOT_TELL
    if found.holds is None:
        return INCONCLUSIVE
    if finding.published:
        return REPRODUCED if found.holds else NOT_REPRODUCED
    return YES if found.holds else NO


def judge(
    asked: Sequence[tuple[str, Finding, bool | None]],
    tables: Tables,
    settings: Settings,
    notes: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """A line for each target and finding: the claim, what was published, what was found, and the verdict.

    Args:
        asked: target, finding, and whether the target's unit forms; None where nothing was run.
        notes: target -> what its scores say of themselves (`mda.evidence.score_notes`). If they rank
            nothing, nothing is tested.
    """
    lines = []
    for target, finding, formed in asked:
        found = finding.measure(tables, target, settings)
        told = notes.get(target, [])
        shown = found or Measured(np.nan, np.nan, np.nan, None, 0, "")
        known = finding.table in tables
        ranked = not score_notes.rank_nothing(told)
        said = verdict(finding, found, formed if ranked or formed is None else False)
        why = "the unit does not form in the window" if formed is False else shown.note
        why = finding.missing if said == NOT_RUN and found is None else why
        lines.append(
            {
                "target": target,
                "finding": finding.name,
                "claim": finding.claim,
                "published": finding.published,
                "verdict": said,
                "value": shown.value,
                "low": shown.low,
                "high": shown.high,
                "unit": shown.unit,
                "runs": shown.seeds,
                "detectable": shown.detectable,
                "note": "; ".join(filter(None, [why, *told])),
                "file": finding.file(settings.scope) if known else "",
                "rule": finding.rule if known else "",
            }
        )
    return pd.DataFrame(lines)
