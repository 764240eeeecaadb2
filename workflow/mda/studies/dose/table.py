"""Effects by the share of samples, and the smallest share that has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


def doses(effects: pd.DataFrame, curves: Mapping[str, Sequence[str]], confidence: float) -> pd.DataFrame:
    """The lines of `effects` that the curves are made of, and `smallest`.

    Args:
        effects: from `mda.evidence.effect_table.effects`.
        curves: intervention -> its methods of selection.

    Returns:
        The columns of `effects`, and `smallest`: `smallest_fraction` of the line's selection, empty where
        none has an effect.
    """
    method = effects["selection"].str.partition("-")[0]
    own = (method != "influence") | (effects["selection"] == "influence-" + effects["target"])
    kinds = zip(effects["intervention"], method, strict=True)
    found = effects[own & np.array([by in curves.get(kind, []) for kind, by in kinds], dtype=bool)]
    keys = ["target", "outcome", "intervention", "selection"]
    smallest = {key: smallest_fraction(part, confidence) for key, part in found.groupby(keys)}
    return found.assign(smallest=[smallest[key] for key in found[keys].itertuples(index=False, name=None)])


def smallest_fraction(cells: pd.DataFrame, confidence: float) -> float:
    """The smallest fraction that has an effect, of one selection's lines of `effects`; nan if none.

    An effect is a difference to random whose corrected p-value tells it, in the direction in which the
    intervention pushes; of random itself, a difference to the base in any direction.
    """
    if (cells["selection"] == "random").all():
        seen = cells[cells["to_base_q"] < 1 - confidence]
    else:
        pushed = np.where(cells["better"] == "higher", 1, -1)
        pushed = pushed * np.where(cells["intervention"].isin(["mask", "replace"]), -1, 1)
        seen = cells[(cells["to_random_q"] < 1 - confidence) & (pushed * cells["to_random"] > 0)]
    return float(seen["fraction"].min()) if len(seen) else np.nan
