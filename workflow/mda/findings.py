"""Each published finding, what it says, and what the tables of this experiment say of it.

A verdict follows from a table by the rule in `verdict`, never by hand. Published figures are those of
arXiv 2601.21996; questions that it leaves open have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

Tables = Mapping[str, pd.DataFrame]
Measure = Callable[[Tables, str, "Settings"], "Measured | None"]
REPRODUCED, NOT_REPRODUCED, NOT_TESTED = "reproduced", "not reproduced", "not tested here"
YES, NO = "yes", "no"
# Of normally distributed scores, the top 10 % have this share of the positive sum: density(1.2816) /
# density(0).
NORMAL_TAIL = 0.4399


class Measured(NamedTuple):
    """What one target's tables say of a finding.

    Attributes:
        value, low, high: the measure with its interval.
        holds: whether the interval lies on the side that the finding claims; None if it cannot be said.
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


@dataclass(frozen=True)
class Finding:
    """A finding and how it is measured.

    Attributes:
        published: what the paper gives, or '' for a question that it leaves open.
        table: file of the measure, in the folder `evidence`.
        rule: that makes it.
        measure: (tables, target, settings) -> what was found, or None where the table has nothing of it.
    """

    name: str
    claim: str
    published: str
    table: str
    rule: str
    measure: Measure


@dataclass(frozen=True)
class Settings:
    """What the measures need of the configuration.

    Attributes:
        start: the step at which branches begin.
        scope: folder of the effects: `tables` (the configured interventions) or `evidence` (the studies).
    """

    fraction: float
    confidence: float
    start: int
    scope: str


def verdict(finding: Finding, found: Measured | None, formed: bool) -> str:
    """The verdict on a finding for one target.

    Reproduced (of open questions: yes) is what the interval, corrected for the number of tests where a
    table has several, puts on the side of the claim. A unit that does not form in the base runs, or has
    before, tests nothing.
    """
    if found is None or found.holds is None or not formed:
        return NOT_TESTED
    if finding.published:
        return REPRODUCED if found.holds else NOT_REPRODUCED
    return YES if found.holds else NO


def _cell(
    tables: Tables, target: str, outcome: str, kind: str, selection: str, fraction: float
) -> pd.Series | None:
    table = tables.get("effects")
    if table is None:
        return None
    mine = table[
        (table["target"] == target)
        & (table["outcome"] == outcome)
        & (table["intervention"] == kind)
        & (table["selection"] == selection)
        & np.isclose(table["fraction"], fraction)
    ]
    return mine.iloc[0] if len(mine) else None


def forms(tables: Tables, target: str, start: int) -> bool:
    """Whether the unit forms in most base runs, and has not formed before them."""
    base = _cell(tables, target, "formation_step", "base", "none", 0.0)
    return base is not None and bool(base["formed"] >= 0.5 and base["mean"] > start)


def _shift(kind: str, outcome: str, sign: int, unit: str) -> Measure:
    """An intervention moves an outcome against the same at random, in the direction of `sign`."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        line = _cell(tables, target, outcome, kind, f"influence-{target}", settings.fraction)
        if line is None or np.isnan(line["to_random"]):
            return None
        holds = None
        if not np.isnan(line["to_random_q"]):
            right = sign * line["to_random"] > 0
            holds = bool(right and line["to_random_q"] < 1 - settings.confidence)
        detectable = line["to_random_detectable"]
        return _measured(line, "to_random", holds, line["seeds"], unit, detectable, _p(line, "to_random"))

    return measure


def _as_the_base(kind: str, selection: str) -> Measure:
    """Equivalence: the unit forms when the base's does, to within half of the effect of its removal.

    Args:
        selection: with `{target}` in the place of the target.
    """

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        chosen = selection.format(target=target)
        line = _cell(tables, target, "formation_step", kind, chosen, settings.fraction)
        own = _cell(tables, target, "formation_step", "replace", f"influence-{target}", settings.fraction)
        if line is None or own is None or np.isnan(line["to_base_low"]):
            return None
        margin = abs(own["to_base"]) / 2
        holds = bool(-margin < line["to_base_low"] and line["to_base_high"] < margin)
        note = f"within half of the effect of removal by influence, {margin:.3g} steps"
        return _measured(line, "to_base", holds, line["seeds"], "steps", line["to_base_detectable"], note)

    return measure


def _tail(tables: Tables, target: str, settings: Settings) -> Measured | None:
    line = _line(tables, "tail", target=target)
    if line is None:
        return None
    note = f"of normally distributed scores it is {100 * NORMAL_TAIL:.0f} %"
    holds = bool(line["share_low"] > NORMAL_TAIL)
    return Measured(
        100 * line["share"], 100 * line["share_low"], 100 * line["share_high"], holds,
        int(line["samples"]), "% of positive influence", note=note,
    )  # fmt: skip


def _repetitive(tables: Tables, target: str, settings: Settings) -> Measured | None:
    line = _line(tables, "enrichment", target=target, side="proponents", name="repeated bigrams")
    if line is None:
        return None
    holds = bool(line["auroc_low"] > 0.5 and line["q"] < 1 - settings.confidence)
    return _measured(line, "auroc", holds, 0, "AUROC of repeated bigrams")


def _overlap(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """With another unit of the same kind, against chance; of several, with the one least alike."""
    table = tables.get("overlap")
    if table is None:
        return None
    mine = table[((table["one"] == target) | (table["other"] == target)) & table["same_kind"]]
    if mine.empty:
        return None
    line = mine.loc[mine["jaccard"].idxmin()]
    holds = bool(line["jaccard_low"] > line["chance"] and line["q"] < 1 - settings.confidence)
    other = line["other"] if line["one"] == target else line["one"]
    note = f"with {other}; chance {line['chance']:.2f}"
    return _measured(line, "jaccard", holds, 0, "Jaccard index", note=note)


def _contrast(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The other induction heads move more, and ten times as much is inside the interval."""
    line = _line(tables, "crossed", removed=target)
    if line is None or np.isnan(line["ratio_low"]):
        return None
    holds = bool(line["ratio_low"] > 1 and line["ratio_high"] >= 10)
    note = "on prefix matching, of which heads that are none have little to lose"
    return _measured(line, "ratio", holds, line["seeds"], "ratio of effects", note=note)


def _spread(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Equivalence: the steps of the steepest rise have their share of the influence, to a factor of two."""
    table = tables.get("stream")
    if table is None or table[table["target"] == target].empty:
        return None
    mine = table[table["target"] == target]
    line = mine.loc[mine["gain"].idxmax()]
    share = line["samples"] / mine["samples"].sum()
    gain = line["gain"] / mine["gain"].clip(lower=0).sum()
    ratio, low, high = (line[f"positive_share{end}"] / share for end in ("", "_low", "_high"))
    note = f"steps {line['start']:.0f} to {line['stop']:.0f} have {100 * gain:.0f} % of the rise"
    holds = bool(low > 0.5 and high < 2)
    return Measured(ratio, low, high, holds, int(line["samples"]), "x its share of the samples", note=note)


def _coupling(tables: Tables, target: str, settings: Settings) -> Measured | None:
    line = _line(tables, "coupling", target=target, runs_of="all")
    if line is None or np.isnan(line["r"]):
        return None
    words = "Pearson's r with the ICL score, lower is better"
    return _measured(line, "r", bool(line["r_high"] < 0), line["runs"], words)


def _beats(control: str) -> Measure:
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
        if mine.empty or np.isnan(mine.iloc[0]["beyond_low"]):
            return None
        line = mine.iloc[0]
        holds = bool(line["stronger"] and line["beyond_q"] < 1 - settings.confidence)
        detectable, note = line["beyond_detectable"], _p(line, "beyond")
        return _measured(line, "beyond", holds, line["seeds"], "steps beyond", detectable, note)

    return measure


def _lds(tables: Tables, target: str, settings: Settings) -> Measured | None:
    line = _line(tables, "datamodel", target=target, method="influence", outcome="score_area")
    if line is None or np.isnan(line["lds"]):
        return None
    return _measured(line, "lds", bool(line["lds_low"] > 0), line["subsets"], "LDS")


def _recovered(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Of the corpora of known catalysts, the one where they are found worst."""
    table = tables.get("recovery")
    if table is None:
        return None
    mine = table[table["method"] == "influence"]
    line = mine.loc[mine["auroc"].idxmin()]
    note = f"lowest of {mine['experiment'].nunique()} corpora: {line['experiment']}"
    return _measured(line, "auroc", bool(line["auroc_low"] > 0.5), int(line["samples"]), "AUROC", note=note)


def _no_false_effects(tables: Tables, target: str, settings: Settings) -> Measured | None:
    line = _line(tables, "null", comparison="to_random", outcomes="unit")
    if line is None:
        return None
    note = f"{line['tests']} tests, of which {line['corrected']} stay after correction"
    holds = bool(line["rate_low"] <= line["nominal"] and line["corrected"] == 0)
    words = f"of tests have p < {line['nominal']:.2g}"
    return _measured(line, "rate", holds, int(line["tests"]), words, note=note)


def _measured(
    line: pd.Series, name: str, holds: bool | None, seeds: float, unit: str,
    detectable: float = np.nan, note: str = "",
) -> Measured:  # fmt: skip
    """What a line says of the measure `name` and its interval."""
    return Measured(
        line[name], line[f"{name}_low"], line[f"{name}_high"], holds, int(seeds), unit, detectable, note
    )


def _p(line: pd.Series, name: str) -> str:
    """A p-value before and after the correction, which the verdict rests on."""
    if np.isnan(line[f"{name}_q"]):
        return ""
    return f"p {line[f'{name}_p']:.2g}, of all the table's cells {line[f'{name}_q']:.2g}"


def _line(tables: Tables, table_of: str, **where: str) -> pd.Series | None:
    table = tables.get(table_of)
    if table is None:
        return None
    for column, value in where.items():
        table = table[table[column] == value]
    return table.iloc[0] if len(table) else None


FINDINGS = (
    Finding(
        "removal", "Removing the top samples by influence delays the unit, against removal at random",
        "delays or suppresses the head, at 10 % of the window or less", "effects", "effects",
        _shift("replace", "formation_step", 1, "steps"),
    ),
    Finding(
        "duplication", "Duplicating them hastens it, against duplication at random",
        "accelerates", "effects", "effects", _shift("duplicate", "formation_step", -1, "steps"),
    ),
    Finding(
        "random", "Removing samples at random does neither", "no effect", "effects", "effects",
        _as_the_base("replace", "random"),
    ),
    Finding(
        "tail", "Influence is heavy-tailed: the share of the top 10 % of the samples",
        "up to about 50 %", "tail", "study", _tail,
    ),
    Finding(
        "repetition", "Top samples are repetitive",
        "LaTeX, markup, code, records, tables, repeated strings", "enrichment", "study", _repetitive,
    ),
    Finding(
        "overlap", "Different induction heads share top samples beyond chance", "strong overlap", "overlap",
        "study", _overlap,
    ),
    Finding(
        "specificity", "Removing them moves other induction heads more than heads that are none",
        "by an order of magnitude", "crossed", "study", _contrast,
    ),
    Finding(
        "time", "Influence is spread evenly over training, although the unit forms at once",
        "spread evenly", "stream", "study", _spread,
    ),
    Finding(
        "swap", "Top samples of other steps in place of the window's keep the unit's formation",
        "the effect is kept", "effects", "effects", _as_the_base("swap", "influence-{target}"),
    ),
    Finding(
        "coupling", "The unit and in-context learning move together", "they move together", "coupling",
        "study", _coupling,
    ),
    Finding(
        "augmentation", "New samples with their structure raise the unit's metric, against random structure",
        "0.432 to 0.485 (14M), 0.472 to 0.523, 0.304 to 0.352, 0.508 to 0.558 (160M)", "effects", "effects",
        _shift("augment", "score_area", 1, "mean metric"),
    ),
    *(
        Finding(
            f"beyond-{control.replace('_', '-')}", f"Influence selects better than {words}", "", "controls",
            "study", _beats(control),
        )
        for control, words in (
            ("repetition", "a repetition score"), ("loss", "the loss"),
            ("gradient_norm", "the norm of the unit's gradient"), ("bm25", "BM25 similarity to the probe"),
            ("matched", "random samples of the same labels"), ("identity", "influence without curvature"),
        )
    ),
    Finding(
        "lds", "Influence predicts runs on random halves of the window (linear datamodelling score)", "",
        "datamodel", "study", _lds,
    ),
)  # fmt: skip

# Of corpora that were made with their answers, and not of a target.
KNOWN_ANSWERS = "corpora of known answers"
VALIDITY = (
    Finding(
        "recovery", "Samples that are catalysts by construction have more influence than the others", "",
        "recovery", "study", _recovered,
    ),
    Finding(
        "null", "Without catalysts, removal and duplication seem to move the unit, against random, no more "
        "often than chance gives", "", "null", "study", _no_false_effects,
    ),
)  # fmt: skip


def judge(tables: Tables, targets: Sequence[str], settings: Settings) -> pd.DataFrame:
    """A line a target and finding: what is claimed, what was published, what was found, and the verdict."""
    asked = [
        (target, finding, forms(tables, target, settings.start)) for target in targets for finding in FINDINGS
    ]
    # These need no unit of this experiment's.
    asked += [(KNOWN_ANSWERS, finding, True) for finding in VALIDITY]
    lines = []
    for target, finding, formed in asked:
        found = finding.measure(tables, target, settings)
        shown = found or Measured(np.nan, np.nan, np.nan, None, 0, "")
        lines.append(
            {
                "target": target,
                "finding": finding.name,
                "claim": finding.claim,
                "published": finding.published,
                "verdict": verdict(finding, found, formed),
                "value": shown.value,
                "low": shown.low,
                "high": shown.high,
                "unit": shown.unit,
                "runs": shown.seeds,
                "detectable": shown.detectable,
                "note": shown.note if formed else "the unit does not form in the window",
                "file": _place(finding.table, settings) if finding.table in tables else "",
                "rule": finding.rule if finding.table in tables else "",
            }
        )
    return pd.DataFrame(lines)


def _place(table: str, settings: Settings) -> str:
    return f"{settings.scope if table == 'effects' else 'evidence'}/{table}.csv"
