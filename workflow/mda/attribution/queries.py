"""Build the query of a target on the device: its units, its probe and the inputs of the probe."""

from __future__ import annotations

from collections.abc import Sequence

from mda.attribution import influence, questions
from mda.config import unit_sections
from mda.models.units import Unit
from mda.runtime import parallel


def of_target(
    name: str, members: Sequence[Unit], settings: unit_sections.Probe, tokenizer, context: int
) -> influence.Query:
    """The query of a target of these units: its probe, and what it reads; see `questions.of_probe`."""
    return influence.Query(
        name, members, *questions.of_probe(settings, tokenizer, context, parallel.device())
    )
