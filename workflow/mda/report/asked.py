"""What an experiment asks, in words for someone who does not know the project's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mda.config.experiment import Config
from mda.config.unit_sections import (
    CLASS_PATTERN,
    HEAD_PATTERN,
    LAYER_PATTERN,
    NEURON_PATTERN,
    RANK_PATTERN,
    Target,
)
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


def units(config: Config, members: Mapping[str, Sequence[str]]) -> str:
    """The targets, each with the places that it stands for, and how these were chosen."""
    told = []
    for target in config.targets:
        of = members[target.name]
        named = f": {spelled(of)}" if len(of) <= SPELLED else f" ({spelled(of)})"
        chosen = [words for unit in target.units if (words := _chosen(unit))]
        at = f", {' and '.join(chosen)} at step {config.attribution.rank_at}" if chosen else ""
        told.append(f"{target.name}{named}{at}")
    return "; ".join(told) + ". Layers, heads and neurons are counted from 0"


def _chosen(unit: str) -> str:
    """How a unit was chosen, where it is not named by its place; else ''."""
    if match := RANK_PATTERN.match(unit):
        kind, rank = match.groups()
        return f"the strongest {kind} head" if rank == "1" else f"the {kind} head of rank {rank} by strength"
    if match := CLASS_PATTERN.match(unit):
        kind, bound = match.groups()
        return f"all {kind} heads with a score above {bound}"
    return ""


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


def kinds_of_document(config: Config) -> dict[str, str]:
    """Of a made-up corpus, each label with what its documents are; of others nothing: labels are users'."""
    made_up = config.corpus.synthetic
    if config.corpus.source != "synthetic" or made_up is None:
        return {}
    found = {}
    for one in made_up.sources:
        share = f"{100 * one.share:g} % of the documents: "
        if one.kind == "markov":
            words = "made-up prose, in which each word depends on the one before it and nothing long repeats"
        elif one.motif is not None and one.motif[0] >= made_up.words_per_document:
            words = "words at random, in which nothing long repeats"
        else:
            shortest, longest = one.motif or (0, 0)
            words = (
                f"one random motif of {shortest} to {longest} words, repeated to the end. Such repetition is "
                "known to make induction heads form, so these samples are known catalysts"
            )
        found[one.label] = share + words
    return found


def corpus(config: Config) -> str:
    """Where the samples come from, in a few words."""
    kinds = kinds_of_document(config)
    if kinds and config.corpus.synthetic is not None:
        made_up = config.corpus.synthetic
        labels = "; ".join(f"{label}, {words}" for label, words in kinds.items())
        return (
            f"made up, {made_up.documents:,} documents of {made_up.words_per_document} made-up words. Their "
            f"labels, which only check the results: {labels}"
        )
    of = config.corpus.chosen
    places = (getattr(of, key, None) for key in ("path", "root", "repository"))
    where = next((str(one) for one in places if one is not None), "")
    return f"{config.corpus.source}: {where}" if where else config.corpus.source


def changed(config: Config) -> str:
    """What interventions change, in samples."""
    run = config.run
    samples = (run.window.stop - run.window.start) * run.batch_size
    number, share = selection.count(samples, config.main_fraction), f"{100 * config.main_fraction:g}"
    return (
        f"steps {run.window.start} to {run.window.stop - 1}, {samples:,} samples; \u201cthe samples of "
        f"highest influence\u201d, or \u201ctop samples\u201d, are {share} % of them, {number:,} samples, "
        "unless another share is named"
    )
