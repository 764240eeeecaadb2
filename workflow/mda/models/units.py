"""Units of a model, targets made of them, and how a rank is turned into a place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mda.config import sections
from mda.runtime import files
from mda.runtime.errors import UserError

# The metric that ranks the heads of a kind.
RANKED_BY = {"induction": "prefix_matching", "previous-token": "previous_token", "copying": "copying"}


class Head(NamedTuple):
    """A head's place, written L1H0."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.number}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read L1H0.

        Raises:
            UserError: for anything else.
        """
        match = sections.HEAD_PATTERN.match(text)
        if match is None:
            raise UserError(f"'{text}' names no head; write a place such as L1H0")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, order=True)
class Neuron:
    """An MLP neuron's place, written L1N37.

    No tuple, as it must not equal the head of the same numbers.
    """

    layer: int
    number: int

    def __str__(self) -> str:
        return f"L{self.layer}N{self.number}"

    @classmethod
    def parse(cls, text: str) -> Neuron:
        """Read L1N37.

        Raises:
            UserError: for anything else.
        """
        match = sections.NEURON_PATTERN.match(text)
        if match is None:
            raise UserError(f"'{text}' names no neuron; write a place such as L1N37")
        return cls(int(match[1]), int(match[2]))


Unit = Head | Neuron


def resolve(wanted: list[str], scores: dict[str, dict[Head, float]]) -> list[Unit]:
    """Turn places and ranks into units.

    Args:
        wanted: e.g. `["L1H0"]`, `["induction 1", "induction 2"]` or `["L1N37"]`.
        scores: metric -> head -> score, over all heads of the model.

    Raises:
        UserError: when a head is out of range or named twice.
    """
    known = set(next(iter(scores.values())))
    found: list[Unit] = []
    for text in wanted:
        if sections.NEURON_PATTERN.match(text):
            found.append(Neuron.parse(text))
            continue
        rank = sections.RANK_PATTERN.match(text)
        if rank is None:
            head = Head.parse(text)
        else:
            order = ranking(scores[RANKED_BY[rank[1]]])
            if int(rank[2]) > len(order):
                raise UserError(f"targets: '{text}' is beyond the model's {len(order)} heads")
            head = order[int(rank[2]) - 1]
        if head not in known:
            raise UserError(
                f"targets: head {head} does not exist; the model has {', '.join(map(str, sorted(known)))}"
            )
        if head in found:
            raise UserError(f"targets: '{text}' is head {head}, which the target already has")
        found.append(head)
    return found


def ranking(scores: dict[Head, float]) -> list[Head]:
    """Heads from the highest score to the lowest, ties by place."""
    return sorted(scores, key=lambda head: (-scores[head], head))


def parse(text: str) -> Unit:
    """Read L1H0 or L1N37."""
    return Neuron.parse(text) if sections.NEURON_PATTERN.match(text) else Head.parse(text)


def read_targets(path: Path) -> dict[str, list[Unit]]:
    """Read the targets' units from what the step `targets` wrote."""
    record = files.read_json(path)["targets"]
    return {name: [parse(unit) for unit in target["units"]] for name, target in record.items()}


def written(paths: list[Path]) -> dict[str, list[str]]:
    """The units of all targets in these files, as they are written."""
    return {name: list(map(str, places)) for path in paths for name, places in read_targets(path).items()}


def all_units(targets: dict[str, list[Unit]]) -> list[Unit]:
    """Every unit of some target once, heads first, in order of place."""
    units = {unit for members in targets.values() for unit in members}
    return sorted(units, key=lambda unit: (isinstance(unit, Neuron), unit.layer, unit.number))
