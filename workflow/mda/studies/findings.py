"""All findings, in the order in which the report has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mda.evidence import finding, intervention_findings
from mda.evidence.finding import Settings, Tables
from mda.evidence.intervention_findings import forms
from mda.studies.ablation import finding as ablation
from mda.studies.augmentation import finding as augmentation
from mda.studies.checkpoints import finding as checkpoints
from mda.studies.contrasts import finding as contrasts
from mda.studies.controls import finding as controls
from mda.studies.coupling import finding as coupling
from mda.studies.crossed import finding as crossed
from mda.studies.datamodel import finding as datamodel
from mda.studies.dose import finding as dose
from mda.studies.enrichment import finding as enrichment
from mda.studies.linearity import finding as linearity
from mda.studies.null import finding as null
from mda.studies.overlap import finding as overlap
from mda.studies.placebo import finding as placebo
from mda.studies.recovery import finding as recovery
from mda.studies.replication import finding as replication
from mda.studies.sanity import finding as sanity
from mda.studies.stream import finding as stream
from mda.studies.tail import finding as tail

# Of every target.
FINDINGS = (
    intervention_findings.REMOVAL,
    dose.FINDING,
    intervention_findings.DUPLICATION,
    intervention_findings.RANDOM_REMOVAL,
    tail.FINDING,
    enrichment.FINDING,
    overlap.FINDING,
    crossed.FINDING,
    *ablation.FINDINGS,
    stream.FINDING,
    intervention_findings.SWAP,
    coupling.FINDING,
    intervention_findings.AUGMENTATION,
    augmentation.AT_ONCE,
    *replication.FINDINGS,
    augmentation.LARGER,
    *controls.FINDINGS,
    checkpoints.FINDING,
    placebo.FINDING,
    datamodel.FINDING,
    linearity.FINDING,
    *sanity.FINDINGS,
)
# Of corpora that were made with their answers, and not of a target.
KNOWN_ANSWERS = "corpora of known answers"
VALIDITY = (recovery.FINDING, null.FINDING)


def judge(
    tables: Tables,
    targets: Sequence[str],
    settings: Settings,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """`mda.evidence.finding.judge` of all findings: first those of every target, then those of corpora.

    Args:
        notes: target -> what its scores say of themselves.
    """
    run = finding.EFFECTS in tables
    formed = {target: forms(tables, target, settings.start) if run else None for target in targets}
    asked = [(target, one, formed[target]) for target in targets for one in FINDINGS]
    # These need no unit of this experiment's, and say themselves whether it forms in the others.
    asked += [(target, one, True) for target, one in contrasts.findings(tables)]
    asked += [(KNOWN_ANSWERS, one, True) for one in VALIDITY]
    return finding.judge(asked, tables, settings, notes or {})
