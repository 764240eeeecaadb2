"""From the metrics of a run to the curves of its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from mda.config.unit_sections import BEST, TEMPERATURE
from mda.models.units import Attention, Head, Unit
from mda.planning.cell import Cell


def curves(
    cell: Cell, steps: pd.DataFrame, heads: pd.DataFrame, targets: Mapping[str, tuple[Sequence[Unit], str]]
) -> pd.DataFrame:
    """One run's curves, a line for each target and step.

    Args:
        steps, heads: what the training wrote.
        targets: name -> units, metric.

    Returns:
        The cell's columns, target, step, score (the metric, mean over the target's units; of a whole
        attention over its heads; of a metric of a class, best_..., its maximum over all heads of the model),
        score_sum and score_soft_max (of such a metric, its sum and its soft maximum over all heads, see
        `mda.attribution.outcomes.soft_max`; else nan), icl_score, held_out_loss, train_loss.
    """
    parts = []
    for name, (places, metric) in targets.items():
        total = soft = pd.Series(np.nan, index=steps["step"])
        if metric.startswith(BEST):
            # Which head forms is chance, so that another run may have another best one.
            by_step = heads.groupby("step")[metric.removeprefix(BEST)]
            score, total = by_step.max(), by_step.sum()
            soft = TEMPERATURE * by_step.agg(lambda each: special.logsumexp(each / TEMPERATURE))
        elif metric == "activation":
            score = steps.set_index("step")[[f"activation {unit}" for unit in places]].mean(axis=1)
        elif metric == "probe":
            score = steps.set_index("step")[f"probe {name}"]
        else:
            mine = [
                Head(*place) in places or Attention(place[0]) in places
                for place in zip(heads["layer"], heads["head"], strict=True)
            ]
            score = heads[mine].groupby("step")[metric].mean()
        found = pd.DataFrame({"score": score, "score_sum": total, "score_soft_max": soft})
        part = steps.merge(found, left_on="step", right_index=True, validate="one_to_one")
        parts.append(part.assign(target=name))
    scores = ["score", "score_sum", "score_soft_max"]
    columns = ["target", "step", *scores, "icl_score", "held_out_loss", "train_loss"]
    return pd.concat(parts)[columns].assign(**cell._asdict())
