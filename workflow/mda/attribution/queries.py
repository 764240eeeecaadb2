"""Build the queries of targets on the device: their units, their probes and the inputs of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mda.attribution import influence, questions
from mda.config import sections, unit_sections
from mda.corpus import tokens
from mda.models import model as models
from mda.models import units
from mda.models.units import Unit
from mda.runtime import parallel


def of_target(
    name: str, members: Sequence[Unit], settings: unit_sections.Probe, tokenizer, context: int
) -> influence.Query:
    """The query of a target of these units: its probe, and what it reads; see `questions.of_probe`."""
    return influence.Query(
        name, members, *questions.of_probe(settings, tokenizer, context, parallel.device())
    )


def of_targets(
    targets: Sequence[unit_sections.Target],
    members: Mapping[str, Sequence[Unit]],
    probes: Mapping[str, unit_sections.Probe],
    tokenizer,
    context: int,
) -> list[influence.Query]:
    """The queries of all targets, in their order.

    Args:
        members: the units of each target.
        probes: the settings of the probes that targets name.
    """
    return [
        of_target(target.name, members[target.name], probes[target.probe], tokenizer, context)
        for target in targets
    ]


def tracker(
    checkpoint: Path,
    tokenizer: Path,
    found: Mapping[str, Sequence[Unit]],
    targets: Sequence[unit_sections.Target],
    probes: Mapping[str, unit_sections.Probe],
    context: int,
    label_seed: int,
    numerics: sections.Numerics,
) -> influence.Tracker:
    """A checkpoint whose target units are watched, with the query of each target.

    Args:
        found: the units of each target.
        targets: their settings; the tracker's queries have their order.
        probes: as in `of_targets`.
        label_seed: of the labels that curvature is fitted with.
    """
    asked = of_targets(targets, found, probes, tokens.load_tokenizer(tokenizer), context)
    model = models.load(checkpoint, numerics.attention, numerics.attribution)
    return influence.Tracker(model, units.all_units(found), label_seed, asked, precision=numerics.attribution)
