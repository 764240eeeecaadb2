"""The figure of every study that has one."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style
from mda.studies.ablation import figure as ablation
from mda.studies.agreement import figure as agreement
from mda.studies.augmentation import figure as augmentation
from mda.studies.checkpoints import figure as checkpoints
from mda.studies.contrasts import figure as contrasts
from mda.studies.controls import figure as controls
from mda.studies.coupling import figure as coupling
from mda.studies.crossed import figure as crossed
from mda.studies.datamodel import figure as datamodel
from mda.studies.dose import figure as dose
from mda.studies.enrichment import figure as enrichment
from mda.studies.exact import figure as exact
from mda.studies.linearity import figure as linearity
from mda.studies.null import figure as null
from mda.studies.overlap import figure as overlap
from mda.studies.placebo import figure as placebo
from mda.studies.recovery import figure as recovery
from mda.studies.replication import figure as replication
from mda.studies.sanity import figure as sanity
from mda.studies.stored_gradients import figure as stored_gradients
from mda.studies.stream import figure as stream

FIGURES: dict[str, Callable[[pd.DataFrame, style.Palette], Figure]] = {
    "ablation": ablation.draw,
    "agreement": agreement.draw,
    "augmentation": augmentation.draw,
    "checkpoints": checkpoints.draw,
    "contrasts": contrasts.draw,
    "controls": controls.draw,
    "coupling": coupling.draw,
    "crossed": crossed.draw,
    "datamodel": datamodel.draw,
    "linearity": linearity.draw,
    "dose": dose.draw,
    "enrichment": enrichment.draw,
    "exact": exact.draw,
    "null": null.draw,
    "overlap": overlap.draw,
    "placebo": placebo.draw,
    "recovery": recovery.draw,
    "replication": replication.draw,
    "sanity": sanity.draw,
    "stored_gradients": stored_gradients.draw,
    "stream": stream.draw,
}


def draw(study: str, table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The figure of a study, from its table alone, all targets in one; of an empty table, a sentence."""
    return panels.nothing() if table.empty else FIGURES[study](table, palette)
