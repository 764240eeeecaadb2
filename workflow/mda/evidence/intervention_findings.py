"""Findings that the table of effects answers: what removing, duplicating and imitating samples does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mda.evidence import planned_tests, statistics
from mda.evidence.finding import (
    EFFECTS,
    NO_INTERVAL,
    SAME,
    Finding,
    Measure,
    Measured,
    Settings,
    Tables,
    unknown,
)
from mda.evidence.rounding import with_interval
from mda.evidence.table_lines import HOLM, all_the_same, cell, corrected_words, first, measured


def forms(tables: Tables, target: str, start: int) -> bool:
    """Whether the unit forms in the window (`statistics.forms_in_window`), by the base's line of effects."""
    base = cell(tables, target, "formation_step", "base", "none", 0.0)
    return base is not None and statistics.forms_in_window(base["formed"], base["mean"], start)


def effect(name: str) -> Measure:
    """A planned test: the intervention moves its outcome against the same at random, as is claimed."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        if EFFECTS not in tables:
            return None
        lines = planned_tests.lines_of(tables[EFFECTS], target, settings.fraction)
        if name not in lines:
            return None
        found = planned_measure(name, lines, "seeds", settings)
        if planned_tests.TESTS[name].outcome != "score_area":
            return found
        kinds = planned_tests.TESTS[name].kinds
        last = first(tables, target, "score_final", kinds, f"influence-{target}", settings.fraction)
        return found._replace(note=found.note + at_the_end(last))

    return measure


def at_the_end(line: pd.Series | None) -> str:
    """What is left of an effect, by the line of the metric at the end."""
    if line is None or np.isnan(line["to_random_low"]):
        return ""
    ends = [line[f"to_random{end}"] for end in ("", "_low", "_high")]
    return "; at the end of the window {:+.3f} [{:+.3f}, {:+.3f}]".format(*ends)


def planned_measure(name: str, lines: Mapping[str, pd.Series], number: str, settings: Settings) -> Measured:
    """A planned test among those of its table, each with its p-value; the column `number` has its size."""
    line, test = lines[name], planned_tests.TESTS[name]
    tested = planned_tests.together(lines, number, settings.confidence)
    if name not in tested:
        same = all_the_same(line, "to_random")
        found = measured(line, "to_random", None, line[number], test.unit, note=SAME if same else NO_INTERVAL)
        return found._replace(possible=not same)
    q, detectable = tested[name]
    holds = bool(test.sign * line["to_random"] > 0 and q < 1 - settings.confidence)
    tests = f"{len(tested)} planned test{'' if len(tested) == 1 else 's'}"
    note = corrected_words(line["to_random_p"], q, tests, HOLM)
    return measured(line, "to_random", holds, line[number], test.unit, detectable, note)


def as_the_base(kinds: Sequence[str], selection: str) -> Measure:
    """Equivalence: the unit forms when the base's does, to within half of the least effect of its removal.

    Where removal is not known to have an effect there is nothing to be equivalent to, and an interval that
    has both sides of the margin tells nothing.

    Args:
        kinds: of the intervention; of several that there are it is the one that moves the unit most.
        selection: with `{target}` in the place of the target.
    """

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        removal = planned_tests.TESTS["removal"]
        place = (tables, target, removal.outcome)
        cells = [cell(*place, kind, selection.format(target=target), settings.fraction) for kind in kinds]
        found = [one for one in cells if one is not None and not np.isnan(one["to_base_low"])]
        own = first(*place, removal.kinds, f"influence-{target}", settings.fraction)
        if own is None or all(one is None for one in cells):
            return None
        line = max(found, key=lambda one: abs(one["to_base"]), default=None)
        if line is None:
            return unknown(NO_INTERVAL)
        margin = own["to_base_low"] / 2
        effective = effect("removal")(tables, target, settings)
        if effective is None or not effective.holds or margin <= 0:
            holds, note = (
                None,
                "no effect of removal by influence is known, so nothing says how little counts",
            )
        else:
            holds, note = _within(line, "to_base", margin)
        # That which moves the unit most is judged, and the others are told.
        for other in [line, *(one for one in found if one is not line)] if len(kinds) > 1 else []:
            told = with_interval(other["to_base"], other["to_base_low"], other["to_base_high"], "+")
            note += f"; {KINDS[other['intervention']]}: {told} steps"
        result = measured(line, "to_base", holds, line["seeds"], "steps", line["to_base_detectable"], note)
        # More runs may find an effect of removal, unless these have ruled it out.
        return result._replace(possible=bool(own["to_base_high"] > 0))

    return measure


# How a removal at random was done: where both were, it matters.
KINDS = {
    "replace": "random samples replaced by others of the window",
    "mask": "random samples masked (read without a gradient)",
}


def _within(line: pd.Series, name: str, margin: float) -> tuple[bool | None, str]:
    """Whether an interval is within a margin of zero (yes), has all but it (no), or has both (not told)."""
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    note = (
        f"counts as no effect if the interval lies within \u00b1{margin:.3g} steps, half of the lower end of "
        "the effect of removal by influence"
    )
    if -margin < low and high < margin:
        return True, note
    if low > 0 or high < 0:
        return False, note
    return None, f"{note}; too few runs to tell"


REMOVAL = Finding(
    "removal", "Removing the top samples by influence delays the unit, against removal at random",
    "delays or suppresses the head, at 10 % of the window or less", EFFECTS, effect("removal"),
    "runs without the top samples by influence, and without random samples",
)  # fmt: skip
DUPLICATION = Finding(
    "duplication",
    "Duplicating the top samples by influence makes the unit form earlier, against duplication at random",
    "accelerates", EFFECTS, effect("duplication"),
    "runs with the top samples by influence shown twice, and with random samples shown twice",
)  # fmt: skip
RANDOM_REMOVAL = Finding(
    "random", "Removing samples at random does not move the unit", "no effect", EFFECTS,
    as_the_base(("replace", "mask"), "random"),
    "runs without the top samples by influence, and without random samples",
)  # fmt: skip
SWAP = Finding(
    "swap", "Top samples of other steps in place of the window's keep the unit's formation",
    "the effect is kept", EFFECTS, as_the_base(("swap",), "influence-{target}"),
    "runs with top samples of other steps in the places of the window's (studies.time.swap)",
)  # fmt: skip
AUGMENTATION = Finding(
    "augmentation",
    "New samples with the structure of the top ones raise the unit's metric, against random structure",
    "0.432 to 0.485 (14M), all inserted at one step", EFFECTS, effect("augmentation"),
    "runs with new samples of the structure of the top ones, and of random ones",
)  # fmt: skip
