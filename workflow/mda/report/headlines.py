"""The first lines of the report: planned tests, and influence against cheaper ways to select, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import finding, in_words, planned_tests
from mda.evidence.rounding import with_interval
from mda.report.front_page import Item, description, image

# What was done to the samples, and to what it is compared.
DONE = {
    "removal": ("Removing the samples of highest influence", "than removing random samples does"),
    "duplication": (
        "Showing the samples of highest influence twice",
        "than showing random samples twice does",
    ),
    "augmentation": (
        "Adding new samples with the structure of those of highest influence",
        "than adding new samples with the structure of random ones does",
    ),
    # The question that every reader has: would something cheaper have done?
    "beyond-repetition": (
        "Better than repetition? Removing the samples of highest influence",
        "than removing the most repetitive samples does",
    ),
    "beyond-loss": (
        "Better than the loss? Removing the samples of highest influence",
        "than removing the samples of highest loss does",
    ),
}
EMERGENCE = "plot_emergence"


def headlines(found: pd.DataFrame, items: Sequence[Item], confidence: str) -> list[dict[str, Any]]:
    """What was found of every `target`, in short.

    It has `answers` (`verdict`, `sentence`), claims `against` which something was found, a `figure` and its
    `alt` text.

    Args:
        found: the findings, with the columns of `mda.evidence.finding.judge`.
        items: what the report shows; the emergence of a target is its figure.
        confidence: of the intervals, in percent.
    """
    shown = []
    for target, mine in found.groupby("target", sort=False):
        lines = mine.set_index("finding")
        known = [name for name in DONE if name in lines.index]
        if known:
            figures = [
                item for item in items if item.rule == EMERGENCE and item.labels["target"] == str(target)
            ]
            shown.append(
                {
                    "target": target,
                    "answers": [_answer(name, lines.loc[name], confidence) for name in known],
                    "against": _against(lines.drop(known)),
                    "figure": image(figures[0].path) if figures else None,
                    "alt": description(figures[0].path) if figures else "",
                }
            )
    return shown


def _against(lines: pd.DataFrame) -> list[tuple[str, str]]:
    """Other claims that were not reproduced: name and words."""
    some = lines[lines["verdict"] == finding.NOT_REPRODUCED]
    return [(str(name), claim) for name, claim in some["claim"].items()]


def _answer(name: str, line: pd.Series, confidence: str) -> dict[str, str]:
    return {"verdict": line["verdict"], "sentence": sentence(name, line, confidence)}


def sentence(name: str, line: pd.Series, confidence: str) -> str:
    """What was found, with its interval, number of runs and power, or why it tells nothing.

    Args:
        name: of `DONE`.
        line: its finding.
        confidence: of the interval, in percent.
    """
    done, than = DONE[name]
    if line["verdict"] == finding.NOT_RUN:
        return f"{done}, against {than.removeprefix('than ').removesuffix(' does')}: not run, {_why(line)}."
    if line["verdict"] == finding.CANNOT_TELL or np.isnan(line["value"]):
        return f"{done}: this cannot be told, for {_why(line)}."
    # The words say the direction, so that the numbers are those of its size.
    ends = sorted((line["low"], line["high"]) if line["value"] >= 0 else (-line["high"], -line["low"]))
    told, *_ = both = with_interval(abs(line["value"]), *ends).split(" ", 1)
    # On one line.
    interval = "".join(f" {part}" for part in both[1:]).replace(", ", ",\N{NO-BREAK SPACE}")
    test = planned_tests.TESTS.get(name)
    in_steps = test is None or test.outcome == "formation_step"
    runs = f"{line['runs']:.0f} run" + ("" if line["runs"] == 1 else "s")
    sure = f"{confidence} % interval, {runs}" if interval else runs
    words = f"{done} {_size(told, line['value'], in_steps)}{interval} {than} ({sure})."
    words += SO.get(line["verdict"], "")
    if line["verdict"] == finding.INCONCLUSIVE:
        words += f" That is too little to tell: {_why(line)}."
    power = in_words.power({**line, "finding": name, "unit": "steps" if in_steps else ""})
    return f"{words} {power[0].upper()}{power[1:]}." if power else words


# What follows from a verdict that the number alone does not say.
SO = {
    finding.NOT_REPRODUCED: " So the claim is not shown.",
    finding.NO: " So influence is not shown to select better.",
}


def _why(line: pd.Series) -> str:
    note = line["note"]
    return note if isinstance(note, str) and note else "its table does not say why"


def _size(told: str, value: float, in_steps: bool) -> str:
    """The effect in words; `told` is its size."""
    if in_steps:
        return f"makes the unit form {told} steps {'later' if value >= 0 else 'earlier'}"
    return f"makes the unit's metric {told} {'higher' if value >= 0 else 'lower'}"
