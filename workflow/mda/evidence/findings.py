"""Each published finding, what it says, and the verdict on it, which the tables of an experiment give.

A verdict follows from a table by the rule in `verdict`, never by hand. Published figures are those of
arXiv 2601.21996; questions that it leaves open have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mda.evidence import measures, measures_of_samples, score_notes
from mda.evidence.measured import Measure, Measured, Settings, Tables

REPRODUCED, NOT_REPRODUCED, NOT_TESTED = "reproduced", "not reproduced", "not tested here"
YES, NO = "yes", "no"


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


FINDINGS = (
    Finding(
        "removal", "Removing the top samples by influence delays the unit, against removal at random",
        "delays or suppresses the head, at 10 % of the window or less", "effects", "effects",
        measures.effect("removal"),
    ),
    Finding(
        "dose", "A tenth of the samples, or less, is enough for that", "10 % of the window or less", "dose",
        "study", measures.least_share,
    ),
    Finding(
        "duplication", "Duplicating them hastens it, against duplication at random",
        "accelerates", "effects", "effects", measures.effect("duplication"),
    ),
    Finding(
        "random", "Removing samples at random does neither", "no effect", "effects", "effects",
        measures.as_the_base(("replace", "mask"), "random"),
    ),
    Finding(
        "tail", "Influence is heavy-tailed: the share of the top 10 % of the samples",
        "up to about 50 %", "tail", "study", measures_of_samples.tail,
    ),
    Finding(
        "repetition", "Top samples are repetitive",
        "LaTeX, markup, code, records, tables, repeated strings", "enrichment", "study",
        measures_of_samples.repetitive,
    ),
    Finding(
        "overlap", "Induction heads share top samples, beyond chance and more than with other heads",
        "strong overlap, low with others", "overlap",
        "study", measures_of_samples.overlap,
    ),
    Finding(
        "specificity", "Removing them weakens other induction heads more than heads that are none",
        "by an order of magnitude", "crossed", "study", measures.contrast,
    ),
    Finding(
        "time", "Influence is spread evenly over training, although the unit forms at once",
        "spread evenly", "stream", "study", measures_of_samples.spread,
    ),
    Finding(
        "swap", "Top samples of other steps in place of the window's keep the unit's formation",
        "the effect is kept", "effects", "effects", measures.as_the_base(("swap",), "influence-{target}"),
    ),
    Finding(
        "coupling", "The unit and in-context learning move together", "they move together", "coupling",
        "study", measures.coupling,
    ),
    Finding(
        "augmentation", "New samples with their structure raise the unit's metric, against random structure",
        "0.432 to 0.485 (14M), all inserted at one step", "effects", "effects",
        measures.effect("augmentation"),
    ),
    Finding(
        "at-once", "They do so when all are inserted at one step", "0.432 to 0.485 (14M)", "augmentation",
        "study", measures.transfer("at-once"),
    ),
    *(
        Finding(
            f"{name}-replicated", f"{words}, in models from other initial weights as well", "",
            "replication", "study", measures.replicated(name),
        )
        for name, words in (
            ("removal", "Removing the top samples delays the unit"),
            ("duplication", "Duplicating them hastens it"),
            ("augmentation", "New samples with their structure raise its metric"),
        )
    ),
    Finding(
        "transfer", "They do so in a larger model as well",
        "0.472 to 0.523 (31M), 0.304 to 0.352 (70M), 0.508 to 0.558 (160M)", "augmentation", "study",
        measures.transfer("larger"),
    ),
    *(
        Finding(
            f"beyond-{control.replace('_', '-')}", f"Influence selects better than {words}", "", "controls",
            "study", measures.beyond(control),
        )
        for control, words in (
            ("repetition", "a repetition score"), ("loss", "the loss"),
            ("gradient_norm", "the norm of the unit's gradient"), ("bm25", "BM25 similarity to the probe"),
            ("matched", "random samples of the same labels"), ("identity", "influence without curvature"),
        )
    ),
    Finding(
        "placebo", "Runs that were treated at random seem to differ no more often than chance gives", "",
        "placebo", "study", measures.placebo,
    ),
    Finding(
        "lds", "Influence predicts runs on random halves of the window (linear datamodelling score)", "",
        "datamodel", "study", measures.lds,
    ),
)  # fmt: skip

# Of corpora that were made with their answers, and not of a target.
KNOWN_ANSWERS = "corpora of known answers"
VALIDITY = (
    Finding(
        "recovery", "Samples that are catalysts by construction have more influence than the others", "",
        "recovery", "study", measures_of_samples.recovered,
    ),
    Finding(
        "no-catalysts", "Without catalysts, removal and duplication seem to move the unit, against random, "
        "no more often than chance gives", "", "null", "study", measures.no_false_effects,
    ),
)  # fmt: skip


def judge(
    tables: Tables,
    targets: Sequence[str],
    settings: Settings,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """A line a target and finding: what is claimed, what was published, what was found, and the verdict.

    Args:
        notes: target -> what its scores say of themselves (`mda.evidence.score_notes`). If they rank
            nothing, nothing is tested.
    """
    asked = [
        (target, finding, measures.forms(tables, target, settings.start))
        for target in targets
        for finding in FINDINGS
    ]
    # These need no unit of this experiment's.
    asked += [(KNOWN_ANSWERS, finding, True) for finding in VALIDITY]
    lines = []
    for target, finding, formed in asked:
        found = finding.measure(tables, target, settings)
        told = (notes or {}).get(target, [])
        shown = found or Measured(np.nan, np.nan, np.nan, None, 0, "")
        lines.append(
            {
                "target": target,
                "finding": finding.name,
                "claim": finding.claim,
                "published": finding.published,
                "verdict": verdict(finding, found, formed and not score_notes.rank_nothing(told)),
                "value": shown.value,
                "low": shown.low,
                "high": shown.high,
                "unit": shown.unit,
                "runs": shown.seeds,
                "detectable": shown.detectable,
                "note": "; ".join(
                    filter(None, [shown.note if formed else "the unit does not form in the window", *told])
                ),
                "file": _place(finding.table, settings) if finding.table in tables else "",
                "rule": finding.rule if finding.table in tables else "",
            }
        )
    return pd.DataFrame(lines)


def _place(table: str, settings: Settings) -> str:
    return f"{settings.scope if table == 'effects' else 'evidence'}/{table}.csv"
