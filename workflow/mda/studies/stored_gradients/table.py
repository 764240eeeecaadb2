"""Influence from stored gradients against influence by a pass over the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mda.evidence import agreement, ranked

# Shares of what is stored that are compared.
SHARES = (1.0, 1 / 2, 1 / 4, 1 / 16)
# Of a number in half precision.
BYTES = 2


def sizes(
    told: Mapping[str, Any],
    exact: np.ndarray,
    approximate: Mapping[float, np.ndarray],
    values: Mapping[float, int],
    width: Mapping[float, int],
    norm: Mapping[float, float],
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each share of what is stored.

    Args:
        told: what is the same in all lines.
        exact: influence of the compared samples by a pass, shape (samples,).
        approximate: share -> influence of the same samples from that share of the store.
        values: share -> numbers of a sample that are used, in the target's units.
        width: the same for the units of all targets.
        norm: share -> the part of the gradients' squared norm that these numbers hold.
        fraction: the share that counts as top.

    Returns:
        What is told, share, values, norm_kept, gigabytes_a_million (disk for a million samples, of all
        targets together), and what `agreement.compared` gives.
    """
    by_pass = ranked.of_array(exact, fraction)
    return [
        {
            **told,
            "share": share,
            "values": values[share],
            "norm_kept": norm[share],
            "gigabytes_a_million": width[share] * BYTES / 1e3,
            **agreement.compared(by_pass, ranked.of_array(scores, fraction), confidence),
        }
        for share, scores in approximate.items()
    ]
