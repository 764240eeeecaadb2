"""What must hold for targets and their probes, checked before any job starts."""

from __future__ import annotations

from pathlib import Path

from mda.config import encoder_files, probe_files
from mda.config.experiment import Config
from mda.config.model_settings import Shape
from mda.config.unit_sections import HEAD_PATTERN, LAYER_PATTERN, NEURON_PATTERN, RANK_PATTERN, Probe


def check(config: Config) -> None:
    """Each target names units that the model has, and a probe that fits them."""
    shape = config.shape
    names = [target.name for target in config.all_targets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"targets (with those of studies.specificity) names '{name}' twice")
    for target in config.all_targets:
        if target.probe not in config.probes:
            raise ValueError(
                f"targets.{target.name}.probe is '{target.probe}', "
                f"but probes has only {', '.join(config.probes)}"
            )
        probe = config.probes[target.probe]
        if not probe.fits(target.kinds):
            others = {"heads": "induction or previous_token", "neurons": "activation"}
            raise ValueError(
                f"targets.{target.name}: the measure '{probe.measure}' of its probe is not one of "
                f"{target.fits.named}; use {others.get(target.fits.named, 'induction')}"
            )
        watched = config.trace is None and target.metric == "probe"
        if watched and probe.reads_units and not target.by_place:
            raise ValueError(
                f"targets.{target.name}: its metric is its probe, whose value may depend on the units, but "
                "ranks and classes are not known while the base run trains; name the units by place"
            )
        for unit in target.units:
            _unit(target.name, unit, shape)
        if probe.encoder is not None:
            _feature(target.probe, probe, shape)
    probe_files.check(config.probes_of(config.all_targets))


def _feature(name: str, probe: Probe, shape: Shape) -> None:
    """That an encoder fits the model, as far as the model is known."""
    inputs = encoder_files.shape(Path(str(probe.encoder))).inputs
    if shape.width is not None and inputs != shape.width:
        raise ValueError(
            f"probes.{name}.encoder reads {inputs} numbers a token, but the model has {shape.width}; name an "
            "encoder of this model"
        )
    place = LAYER_PATTERN.match(str(probe.place))
    if place and shape.layers is not None and int(place[1]) >= shape.layers:
        raise ValueError(
            f"probes.{name}.place is {probe.place}, but the model has layers 0 to {shape.layers - 1}"
        )


def _unit(target: str, unit: str, shape: Shape) -> None:
    layers, heads = shape.layers, shape.heads
    rank = RANK_PATTERN.match(unit)
    for pattern, kind, count in ((HEAD_PATTERN, "heads", heads), (NEURON_PATTERN, "neurons", shape.neurons)):
        place = pattern.match(unit)
        if not place or layers is None or count is None:
            continue
        if int(place[1]) >= layers or int(place[2]) >= count:
            raise ValueError(
                f"targets.{target} names {unit}, but the model has layers 0 to {layers - 1} "
                f"with {kind} 0 to {count - 1}"
            )
    layer = LAYER_PATTERN.match(unit)
    if layer and layers is not None and int(layer[1]) >= layers:
        raise ValueError(f"targets.{target} names {unit}, but the model has layers 0 to {layers - 1}")
    if rank and layers and heads and int(rank[2]) > layers * heads:
        raise ValueError(f"targets.{target} asks for rank {rank[2]} of {layers * heads} heads")
