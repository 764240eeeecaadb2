"""Units of a model and targets made of them; turns ranks and classes of heads into places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mda.config import unit_sections
from mda.runtime import files, parquet
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
        match = unit_sections.HEAD_PATTERN.match(text)
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
        match = unit_sections.NEURON_PATTERN.match(text)
        if match is None:
            raise UserError(f"'{text}' names no neuron; write a place such as L1N37")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, order=True)
class Attention:
    """All heads of a layer as one unit, written L1.attention."""

    layer: int

    def __str__(self) -> str:
        return f"L{self.layer}.attention"


@dataclass(frozen=True, order=True)
class MLP:
    """All MLP neurons of a layer as one unit, written L1.mlp."""

    layer: int

    def __str__(self) -> str:
        return f"L{self.layer}.mlp"


Unit = Head | Neuron | Attention | MLP
# In the order in which units of different kinds are listed.
KINDS = (Head, Neuron, Attention, MLP)
LAYER_KINDS: dict[str, type[Attention] | type[MLP]] = {"attention": Attention, "mlp": MLP}


def read_scores(path: Path, step: int) -> dict[str, dict[Head, float]]:
    """Scores of all heads at a checkpoint, by metric, as far as heads are ranked by it."""
    rows = [row for row in parquet.read_table(path).to_pylist() if row["step"] == step]
    return {
        metric: {Head(row["layer"], row["head"]): row[metric] for row in rows}
        for metric in RANKED_BY.values()
    }


def resolve(wanted: list[str], scores: dict[str, dict[Head, float]]) -> list[Unit]:
    """Turn places, ranks and classes into units.

    Args:
        wanted: e.g. `["L1H0"]`, `["induction 1", "induction 2"]`, `["induction > 0.3"]`, `["L1N37"]`,
            `["L1.attention"]` or `["L1.residual"]`.
        scores: metric -> head -> score, over all heads of the model.

    Raises:
        UserError: when a unit is out of range or named twice, or a class has no head.
    """
    found: list[Unit] = []
    for text in wanted:
        for unit in _members(text, scores):
            if unit in found:
                named = f"head {unit}" if isinstance(unit, Head) else str(unit)
                has = "has" if unit_sections.CLASS_PATTERN.match(text) or text.endswith("residual") else "is"
                raise UserError(f"targets: '{text}' {has} {named}, which the target already has")
            found.append(unit)
    return found


def _members(text: str, scores: dict[str, dict[Head, float]]) -> Sequence[Unit]:
    """The units that one name stands for."""
    known = set(next(iter(scores.values())))
    rank, bound = unit_sections.RANK_PATTERN.match(text), unit_sections.CLASS_PATTERN.match(text)
    if rank is not None:
        order = ranking(scores[RANKED_BY[rank[1]]])
        if int(rank[2]) > len(order):
            raise UserError(f"targets: '{text}' is beyond the model's {len(order)} heads")
        return order[int(rank[2]) - 1 :][:1]
    if bound is not None:
        by_head = scores[RANKED_BY[bound[1]]]
        order = ranking(by_head)
        above = [head for head in order if by_head[head] > float(bound[2])]
        if not above:
            raise UserError(
                f"targets: '{text}' has no head: the highest score is {by_head[order[0]]:.3g}, of "
                f"{order[0]}; lower the bound"
            )
        return above
    units = parse_all(text)
    layers = max(head.layer for head in known)
    for unit in units:
        if isinstance(unit, Head) and unit not in known:
            raise UserError(
                f"targets: head {unit} does not exist; the model has {', '.join(map(str, sorted(known)))}"
            )
        if unit.layer > layers:
            raise UserError(f"targets: {text} does not exist; the model has layers 0 to {layers}")
    return units


def ranking(scores: dict[Head, float]) -> list[Head]:
    """Heads from the highest score to the lowest, ties by place."""
    return sorted(scores, key=lambda head: (-scores[head], head))


def parse(text: str) -> Unit:
    """Read L1H0, L1N37, L1.attention or L1.mlp.

    Raises:
        UserError: for anything else.
    """
    layer = unit_sections.LAYER_PATTERN.match(text)
    if layer is not None and layer[2] in LAYER_KINDS:
        return LAYER_KINDS[layer[2]](int(layer[1]))
    return Neuron.parse(text) if unit_sections.NEURON_PATTERN.match(text) else Head.parse(text)


def parse_all(text: str) -> list[Unit]:
    """The same; of L1.residual, all that writes to the residual stream up to this layer."""
    layer = unit_sections.LAYER_PATTERN.match(text)
    if layer is None or layer[2] != "residual":
        return [parse(text)]
    return [kind(below) for below in range(int(layer[1]) + 1) for kind in (Attention, MLP)]


def read_targets(path: Path) -> dict[str, list[Unit]]:
    """Read the targets' units from what the step `targets` wrote."""
    record = files.read_json(path)["targets"]
    return {name: [parse(unit) for unit in target["units"]] for name, target in record.items()}


def read_units(path: Path) -> list[Unit]:
    """Read the units of all targets from what the step `units` wrote, as `sorted_units` orders them."""
    return [parse(unit) for unit in files.read_json(path)["units"]]


def written(paths: list[Path]) -> dict[str, list[str]]:
    """The units of all targets in these files, as they are written."""
    return {name: list(map(str, places)) for path in paths for name, places in read_targets(path).items()}


def all_units(targets: Mapping[str, Sequence[Unit]]) -> list[Unit]:
    """Every unit of some target once, as `sorted_units`."""
    return sorted_units(unit for members in targets.values() for unit in members)


def sorted_units(units: Iterable[Unit]) -> list[Unit]:
    """Each of these units once, by kind (heads first), in order of place."""

    def place(unit: Unit) -> tuple[int, int, int]:
        return KINDS.index(type(unit)), unit.layer, getattr(unit, "number", 0)

    return sorted(set(units), key=place)
