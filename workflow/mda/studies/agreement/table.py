"""How the scores of variants of an attribution agree with those of the configured one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mda.evidence import agreement
from mda.planning.variants import changes


def variants(
    configured: Mapping[str, pd.DataFrame],
    others: Mapping[str, Mapping[str, pd.DataFrame]],
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each target and variant: its rank correlation and top overlap with the configured one.

    Args:
        configured, others: from `mda.evidence.score_table.read`; `others` by the variant's name.
        fraction: the share that counts as top.

    Returns:
        target, variant, changed (the setting), and what `agreement.compared` gives.
    """
    lines = []
    for variant, scores in others.items():
        for target, mine in configured.items():
            one, two = mine["influence"].to_numpy(), scores[target]["influence"].to_numpy()
            lines.append(
                {
                    "target": target,
                    "variant": variant,
                    "changed": " and ".join(key for key, _ in changes(variant)),
                    **agreement.compared(one, two, fraction, confidence),
                }
            )
    return lines
