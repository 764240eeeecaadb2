"""What the targets are asked, on the device that computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mda.attribution import influence, probes
from mda.config import sections
from mda.models import sequences
from mda.models.units import Unit
from mda.runtime import parallel


def of_target(
    name: str, members: Sequence[Unit], settings: sections.Probe, vocabulary: np.ndarray
) -> influence.Query:
    """The query of a target of these units: its probe, on tokens of the vocabulary."""
    batch = torch.from_numpy(sequences.of_probe(settings, vocabulary)).to(parallel.device())
    return influence.Query(name, members, probes.load(settings.measure), batch)
