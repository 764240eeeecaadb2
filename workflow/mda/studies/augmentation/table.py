"""Effects of inserted samples, against random structure and against duplicates; in other runs too."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mda.evidence.effect_table import CELL, compare

KINDS = ("augment", "duplicate")


def insertions(
    experiments: Mapping[str, tuple[str, pd.DataFrame, pd.DataFrame]], fraction: float, confidence: float
) -> pd.DataFrame:
    """The effects of the insertions at one fraction, with `role` and `experiment` before them.

    Args:
        experiments: role -> name, effects and outcomes (from `mda.evidence.effect_table`): of 'own', and of
            those that have this one's motifs.

    Returns:
        The columns of the effects, and `to_duplicates`...: the difference, paired by seed, of new samples to
        as many duplicates of the same selection; see `mda.evidence.effect_table.compare`.
    """
    parts = []
    for role, (name, effects, outcomes) in experiments.items():
        found = _against_duplicates(effects, outcomes, confidence)
        own = found["selection"].isin(["random"]) | (found["selection"] == "influence-" + found["target"])
        inserted = found["intervention"].isin(KINDS) & (found["fraction"] == fraction) & own
        wanted = found[inserted | (found["intervention"] == "base")]
        wanted.insert(0, "experiment", name)
        wanted.insert(0, "role", role)
        parts.append(wanted)
    return pd.concat(parts)


def _against_duplicates(effects: pd.DataFrame, outcomes: pd.DataFrame, confidence: float) -> pd.DataFrame:
    runs = outcomes.set_index(["target", *CELL]).sort_index()
    lines = []
    for line in effects.itertuples():
        new, same = ((line.target, kind, line.selection, line.fraction) for kind in ("augment", "duplicate"))
        known = line.intervention == "augment" and same in runs.index
        one, two = (runs.loc[[new]], runs.loc[[same]]) if known else (runs, None)
        lines.append(compare(one, two, line.outcome, "to_duplicates", confidence))
    return pd.concat([effects, pd.DataFrame(lines, index=effects.index)], axis=1)
