"""The sections of the configuration that say what is traced: probes and targets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from mda.config import encoder_files
from mda.config.section import (
    Name,
    Natural,
    Positive,
    Section,
    Unique,
)

Metric = Literal[
    "prefix_matching", "previous_token", "copying", "best_prefix_matching", "best_previous_token",
    "activation", "probe",
]  # fmt: skip
# A number has one spelling, so that no unit is named twice by two.
_NUMBER = "(0|[1-9][0-9]{0,8})"
HEAD_PATTERN = re.compile(rf"^L{_NUMBER}H{_NUMBER}\Z")
NEURON_PATTERN = re.compile(rf"^L{_NUMBER}N{_NUMBER}\Z")
RANK_PATTERN = re.compile(r"^(induction|previous-token|copying) ([1-9][0-9]{0,8})\Z")
CLASS_PATTERN = re.compile(r"^(induction|previous-token|copying) > (-?[0-9]{1,9}(?:\.[0-9]{1,9})?)\Z")
LAYER_PATTERN = re.compile(rf"^L{_NUMBER}\.(attention|mlp|residual)\Z")
# The same for pydantic, to which $ is the very end.
PLACE = rf"^L{_NUMBER}\.(attention|mlp|residual)$"
UnitKind = Literal["head", "neuron", "attention", "mlp", "residual"]
HEAD_METRICS = ("prefix_matching", "previous_token", "copying")
# Before a metric of heads: that of the best head of the model, whichever it is.
BEST = "best_"
CLASS_METRICS = ("best_prefix_matching", "best_previous_token")
# Of the soft maximum of such a metric over heads, in its units, which are shares of attention. A head at 0.5
# outweighs a thousand heads at 0.03; of two heads that are 0.05 apart the better one counts for 73 %.
TEMPERATURE = 0.05
# Keys of a probe that is asked on random tokens.
RANDOM_TOKENS = ("tokens", "length", "sequences", "seed")


class Probe(Section):
    """A differentiable measure of how well a unit does its job; see `mda.attribution.probes`."""

    measure: str
    tokens: Literal["repeated", "random"] | None = None
    length: Annotated[int, Field(ge=2)] | None = None
    sequences: Positive | None = None
    seed: Natural | None = None
    path: str | None = None
    positions: Literal["all", "repeated"] | None = None
    encoder: str | None = None
    feature: Natural | None = None
    place: Annotated[str, Field(pattern=PLACE)] | None = None
    centered: bool | None = None
    top: Positive | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A key that a measure does not have is none of a job's settings: new ones rerun nothing.
        return {key: value for key, value in write(self).items() if value is not None}

    @model_validator(mode="after")
    def _measure(self) -> Probe:
        known = {
            **dict.fromkeys(("induction", "previous_token", "activation"), RANDOM_TOKENS),
            "prompts": ("path",),
            "rows": ("path", "positions"),
            "feature": ("path", "encoder", "feature", "place"),
        }
        if self.measure not in known and ":" not in self.measure:
            raise ValueError(
                f"measure '{self.measure}' is neither one of {', '.join(known)} nor 'file.py:function'"
            )
        wanted = known.get(self.measure, RANDOM_TOKENS)
        free = ("measure", *(("centered", "top") if self.measure == "feature" else ()))
        for key in type(self).model_fields:
            if key not in free and (getattr(self, key) is None) == (key in wanted):
                does = "needs" if key in wanted else "does not read"
                raise ValueError(f"measure '{self.measure}' {does} '{key}'; it has {', '.join(wanted)}")
        if self.measure in ("induction", "activation") and self.tokens != "repeated":
            raise ValueError(f"measure '{self.measure}' needs tokens: repeated")
        for key, file in (("path", self.path), ("encoder", self.encoder)):
            if file is not None and not Path(file).is_file():
                lacks = "is no file" if Path(file).exists() else "does not exist"
                raise ValueError(f"{key} names the file {file}, which {lacks}")
        if self.encoder is not None:
            self._check_encoder(encoder_files.shape(Path(self.encoder)))
        return self

    def _check_encoder(self, shape: encoder_files.Shape) -> None:
        if self.feature is not None and self.feature >= shape.features:
            raise ValueError(f"feature is {self.feature}, but {self.encoder} has 0 to {shape.features - 1}")
        if self.top is not None and self.top > shape.features:
            raise ValueError(f"top is {self.top}, but {self.encoder} has only {shape.features} features")
        if shape.center and self.centered is None:
            raise ValueError(
                f"{self.encoder} has {encoder_files.CENTER}; set centered to true if it is subtracted from "
                "what the encoder reads (SAELens: apply_b_dec_to_input), and to false if not"
            )
        if self.centered and not shape.center:
            raise ValueError(f"centered is true, but {self.encoder} has no {encoder_files.CENTER}; set false")

    def fits(self, kinds: set[UnitKind]) -> bool:
        """Whether it can be asked of units of these kinds."""
        known: dict[str, set[UnitKind]] = {"previous_token": {"head", "attention"}, "activation": {"neuron"}}
        return kinds <= known.get(self.measure, kinds)

    @property
    def sequence_length(self) -> int:
        """Number of tokens of one sequence of random tokens; 0 of a probe that has none."""
        length = self.length or 0
        return 2 * length if self.tokens == "repeated" else length

    @property
    def reads_units(self) -> bool:
        """Whether its value depends on the units, or may; else it is of the model's output alone."""
        return self.measure not in ("induction", "prompts", "rows", "feature")

    @property
    def file(self) -> str | None:
        """The user's source file, if the measure is the user's own."""
        return self.measure.rsplit(":", 1)[0] if ":" in self.measure else None


def probe_data(probes: Mapping[str, Probe]) -> list[Path]:
    """The users' own files that these probes are asked on, each once."""
    named = [path for probe in probes.values() for path in (probe.path, probe.encoder) if path is not None]
    return [Path(path) for path in dict.fromkeys(named)]


def unit_kind(unit: str) -> UnitKind | None:
    """What a unit's name is of; None for no unit's name."""
    if any(pattern.match(unit) for pattern in (HEAD_PATTERN, RANK_PATTERN, CLASS_PATTERN)):
        return "head"
    layer = LAYER_PATTERN.match(unit)
    return cast("UnitKind", layer[2]) if layer else "neuron" if NEURON_PATTERN.match(unit) else None


def is_place(unit: str) -> bool:
    """Whether a unit is known before the heads are ranked."""
    return RANK_PATTERN.match(unit) is None and CLASS_PATTERN.match(unit) is None


class Fits(NamedTuple):
    """The modes and metrics that units of some kinds can have, and what to call them."""

    named: str
    modes: tuple[str, ...]
    metrics: tuple[str, ...]


class Target(Section):
    """A unit: one or several heads (by place, rank or class), neurons, or whole attentions and MLPs."""

    name: Name
    units: Annotated[list[str], Unique]
    probe: str
    mode: Literal["qk", "qkvo", "in-out", "all"]
    metric: Metric

    @property
    def neurons(self) -> bool:
        """Whether the unit is of neurons."""
        return "neuron" in self.kinds

    @property
    def kinds(self) -> set[UnitKind]:
        """What its units are."""
        return {kind for kind in map(unit_kind, self.units) if kind is not None}

    @property
    def by_place(self) -> bool:
        """Whether its units are known before the heads are ranked."""
        return all(map(is_place, self.units))

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks of weights whose influence counts."""
        of_heads, of_neurons = ("qk", "v", "o"), ("in", "out")
        every = {"qk": ("qk",), "qkvo": of_heads, "in-out": of_neurons, "all": of_heads + of_neurons}
        return every[self.mode]

    @property
    def fits(self) -> Fits:
        """The modes and metrics that its units can have."""
        kinds = self.kinds
        if kinds == {"head"}:
            return Fits("heads", ("qk", "qkvo"), (*HEAD_METRICS, *CLASS_METRICS, "probe"))
        if kinds == {"neuron"}:
            return Fits("neurons", ("in-out",), ("activation", "probe"))
        if kinds == {"attention"}:
            return Fits("whole attentions", ("qk", "qkvo"), (*HEAD_METRICS, "probe"))
        if kinds == {"mlp"}:
            return Fits("whole MLPs", ("in-out",), ("probe",))
        return Fits("attentions with MLPs", ("all",), ("probe",))

    @model_validator(mode="after")
    def _units(self) -> Target:
        if not self.units:
            raise ValueError("'units' is empty; give heads such as L1H0, or ranks such as 'induction 1'")
        for unit in self.units:
            if unit_kind(unit) is None:
                raise ValueError(
                    f"{unit[:40]!r} names no unit; write a head's place such as L1H0, a rank such as "
                    "'induction 1', 'previous-token 1' or 'copying 1', a class such as 'induction > 0.3', a "
                    "neuron's place such as L1N37, or L1.attention, L1.mlp or L1.residual"
                )
        if len(self.kinds) > 1 and self.kinds & {"head", "neuron"}:
            names = " and ".join(f"{kind}s" for kind in sorted(self.kinds))
            raise ValueError(f"'units' has {names}; make a target of each")
        named, modes, metrics = self.fits
        for key, known in (("mode", modes), ("metric", metrics)):
            if getattr(self, key) not in known:
                raise ValueError(
                    f"{key} '{getattr(self, key)}' does not fit {named}, which have mode "
                    f"{' or '.join(modes)} and metric {' or '.join(metrics)}"
                )
        return self
