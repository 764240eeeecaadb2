"""How the scores of variants of an attribution agree with those of the configured one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mda.evidence import agreement
from mda.evidence.ranked import Ranked
from mda.planning.variants import changes


def variants(
    configured: Mapping[str, Ranked],
    others: Iterable[tuple[str, Mapping[str, Ranked]]],
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each target and variant: its rank correlation and top overlap with the configured one.

    Args:
        configured: by target.
        others: of each variant its name and the same; they are compared one after the other.

    Returns:
        target, variant, changed (the setting), and what `agreement.compared` gives.
    """
    return [
        {
            "target": target,
            "variant": variant,
            "changed": " and ".join(key for key, _ in changes(variant)),
            **agreement.compared(mine, scores[target], confidence),
        }
        for variant, scores in others
        for target, mine in configured.items()
    ]
