"""Numbers of a finding in words, for pages and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mda.evidence import intervention_findings
from mda.evidence.finding import CANNOT_TELL, NO, NOT_RUN, REPRODUCED, YES
from mda.evidence.rounding import number

# Claims that there is no effect: the smallest that would be found is not held against theirs.
EQUIVALENCES = (intervention_findings.RANDOM_REMOVAL.name, intervention_findings.SWAP.name)


def power(line: Mapping[str, Any]) -> str:
    """What effect so many runs find, and whether this one is smaller; '' where it is not known.

    Args:
        line: a finding, with the columns of `mda.evidence.finding.judge`.
    """
    if np.isnan(line["detectable"]) or line["verdict"] in (CANNOT_TELL, NOT_RUN):
        return ""
    # What is not better was held against a difference that so many runs do find.
    no_better = line["finding"].startswith("beyond-") and line["verdict"] == NO
    effect = f"an effect of {number(line['detectable'])}{_unit(line['unit'])}"
    counted = f"{line['runs']:.0f} {_counted(line['finding'])}"
    if no_better or line["finding"] in EQUIVALENCES or abs(line["value"]) >= line["detectable"]:
        return f"{counted} find {effect} four times out of five"
    words = f"underpowered: {counted} find {effect} four times out of five, and this one is smaller"
    return f"{words}: it may look larger than it is" if line["verdict"] in (REPRODUCED, YES) else words


def _unit(unit: str) -> str:
    return {
        "steps": " steps",
        "steps of difference": " steps",
        "percentage points": " percentage points",
    }.get(unit, "")


def _counted(name: str) -> str:
    if name.endswith("-replicated") or name.startswith("contrast-"):
        return "models"
    return "subsets" if name == "lds" else "runs"
