"""The report of a trace: what was asked, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mda.config.experiment import Config
from mda.config.unit_sections import Probe, Target
from mda.evidence import score_notes
from mda.report import trace_results

# Lines at each end of a target's influence.
TOLD = 20
WEIGHTS = {
    "qk": "queries and keys",
    "qkvo": "queries, keys, values and outputs",
    "in-out": "inputs and outputs",
    "all": "queries, keys, values, outputs, and inputs and outputs of the MLPs",
}


def facts(config: Config, scored: str) -> dict[str, str]:
    """What was traced, in a few words each.

    Args:
        scored: how many documents or rows were.
    """
    attribution, names = config.attribution, config.checkpoint_names
    assert config.trace is not None
    models = {
        name: one.model if one.revision is None else f"{one.model} at {one.revision}"
        for name, one in config.trace.checkpoints.items()
    }
    steps = config.trace.steps
    corpus = config.corpus.chosen
    places = (getattr(corpus, key, None) for key in ("path", "root", "repository"))
    source = next((place for place in places if place is not None), config.corpus.source)
    floor = "" if attribution.floor is None else f", floor {attribution.floor:g}"
    stored = attribution.stored_gradients
    from_stored = "" if stored is None else f", from stored gradients of {stored.values:,} numbers a unit"
    return {
        "Checkpoints": "; ".join(f"{names[steps[name]]}: {model}" for name, model in models.items()),
        "Influence at": names[attribution.checkpoint],
        "Heads ranked at": names[attribution.rank_at],
        "Corpus": source,
        "Scored": f"{scored}, {config.tokens.context} tokens a row at most",
        "Attribution": f"{attribution.fit.strategy}, fitted on {attribution.fit.samples} rows, damping "
        f"{attribution.damping:g}{floor}{from_stored}",
    }


def asked(config: Config, units: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """For each target, in words: `target`, `units`, `question` and `weights`.

    Args:
        units: the places that were found for each target.
    """
    return [
        {
            "target": target.name,
            "units": _units(target, units[target.name]),
            "question": question(config.probes[target.probe]),
            "weights": WEIGHTS[target.mode],
        }
        for target in config.targets
    ]


def _units(target: Target, found: Sequence[str]) -> str:
    named, places = ", ".join(target.units), ", ".join(found)
    return places if named == places else f"{named}: {places}"


def question(probe: Probe) -> str:
    """What a probe measures, in words."""
    tokens = f"{probe.sequences} sequences of {probe.length} random tokens"
    twice = tokens + (", each shown twice" if probe.tokens == "repeated" else "")
    if probe.file is not None:
        return f"the function {probe.measure.rsplit(':', 1)[1]} of {probe.file}, on {twice}"
    some = "the tokens that repeat" if probe.positions == "repeated" else "all tokens"
    return {
        "induction": f"log-probability of the second showing, on {twice}",
        "previous_token": f"attention to the token before, on {twice}",
        "activation": f"activation at the second showing, less that at the first, on {twice}",
        "prompts": f"log-probability of the answers to the prompts of {probe.path}, less that of a foil if "
        "one is given",
        "rows": f"log-probability of {some} in the texts of {probe.path}",
        "feature": f"activation of feature {probe.feature} of {probe.encoder} at {probe.place}, on "
        f"{probe.path}",
    }[probe.measure]


def found(
    config: Config,
    ends: Mapping[str, trace_results.Ends],
    places: Mapping[str, str],
    scores: Path,
    agreement: Path | None,
    stored_gradients: Path | None,
    labels: Sequence[Path],
) -> list[dict[str, Any]]:
    """What was found for each target.

    Args:
        places: of each target its units in words.
        labels: the tables of figures/labels, in the order of the targets.

    Returns:
        For each target: `target`, its `place`, its `highest` and `lowest` lines, `notes` on its scores,
        shares of `labels`, `stored`, a sentence or None, and `checkpoints`: of each other one its name, a
        sentence, and the same.
    """
    others = {} if agreement is None else trace_results.of_checkpoints(agreement)
    stored = {} if stored_gradients is None else trace_results.of_stored_gradients(stored_gradients)
    names = config.checkpoint_names
    return [
        {
            "target": target.name,
            "place": places[target.name],
            "highest": ends[target.name].highest,
            "lowest": ends[target.name].lowest,
            "notes": score_notes.notes(scores, target.name),
            "labels": trace_results.of_labels(path, target.name),
            "stored": stored.get((target.name, config.attribution.checkpoint)),
            "checkpoints": [
                (names[step], told, stored.get((target.name, step)))
                for step, told in others.get(target.name, [])
            ],
        }
        for target, path in zip(config.targets, labels, strict=True)
    ]
