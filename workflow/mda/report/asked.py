"""What an experiment asks, in words for someone who does not know the project's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mda.config.experiment import Config
from mda.config.unit_sections import HEAD_PATTERN, LAYER_PATTERN, NEURON_PATTERN, Target
from mda.interventions import selection
from mda.report import columns, trace_page

# Where the columns stand that are metrics of a head, and those of a run.
METRICS = (Path("heads/scores.parquet"), Path("base/steps.parquet"))
# More places than these are named by their short names alone.
SPELLED = 4
PLACES = (
    (HEAD_PATTERN, "head {1} of layer {0}"),
    (NEURON_PATTERN, "neuron {1} of layer {0}"),
    (re.compile(r"^L(\d+)\.attention$"), "all heads of layer {0}"),
    (re.compile(r"^L(\d+)\.mlp$"), "all neurons of layer {0}"),
    (LAYER_PATTERN, "layer {0}"),
)


def place(unit: str) -> str:
    """A unit's place in words: L1H0 is head 0 of layer 1; what is no place stays as it is."""
    for pattern, words in PLACES:
        match = pattern.match(unit)
        if match is not None:
            return words.format(*match.groups())
    return unit


def spelled(of: Sequence[str]) -> str:
    """A target's places in words and by their short names; of more than `SPELLED` the short names."""
    short = ", ".join(of)
    return f"{', '.join(map(place, of))} ({short})" if len(of) <= SPELLED else short


def units(members: Mapping[str, Sequence[str]]) -> str:
    """The targets with the places that they stand for."""
    named = []
    for target, of in members.items():
        named.append(f"{target}: {spelled(of)}" if len(of) <= SPELLED else f"{target} ({', '.join(of)})")
    return "; ".join(named) + ". Layers, heads and neurons are counted from 0"


def metric(config: Config, target: Target) -> str:
    """The number that shows how strong a target is."""
    if target.metric == "probe":
        return trace_page.question(config.probes[target.probe])
    one = target.metric.removeprefix("best_")
    kinds = filter(None, map(columns.of, METRICS))
    # Of a neuron's metric the column begins with its kind.
    meaning = next(
        found.meaning for kind in kinds for name in (one, f"{one} *") if (found := kind.column(name))
    )
    return meaning if one == target.metric else f"Of the best head of the model. {meaning}"


def metrics(config: Config) -> str:
    """The metric of each target."""
    told: dict[str, list[str]] = {}
    for target in config.targets:
        told.setdefault(metric(config, target), []).append(target.name)
    if len(told) == 1:
        return next(iter(told))
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in told.items())


def changed(config: Config) -> str:
    """What interventions change, in samples."""
    run = config.run
    samples = (run.window.stop - run.window.start) * run.batch_size
    number, share = selection.count(samples, config.main_fraction), f"{100 * config.main_fraction:g}"
    return (
        f"steps {run.window.start} to {run.window.stop - 1}, {samples:,} samples; \u201cthe samples of "
        f"highest influence\u201d are {share} % of them, {number:,} samples, unless another share is named"
    )
