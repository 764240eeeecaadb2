"""Units of a model, targets made of heads, and how a rank is turned into a place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mda import files, sections
from mda.errors import UserError

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


def resolve(wanted: list[str], scores: dict[str, dict[Head, float]]) -> list[Head]:
    """Turn places and ranks into heads.

    Args:
        wanted: e.g. `["L1H0"]` or `["induction 1", "induction 2"]`.
        scores: metric -> head -> score, over all heads of the model.

    Raises:
        UserError: when a head is out of range or named twice.
    """
    known = set(next(iter(scores.values())))
    found: list[Head] = []
    for text in wanted:
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


def read_targets(path: Path) -> dict[str, list[Head]]:
    """Read the targets' heads from what the step `targets` wrote."""
    record = files.read_json(path)["targets"]
    return {name: [Head.parse(head) for head in target["heads"]] for name, target in record.items()}


def all_heads(targets: dict[str, list[Head]]) -> list[Head]:
    """Every head of some target once, in order of place."""
    return sorted({head for heads in targets.values() for head in heads})
