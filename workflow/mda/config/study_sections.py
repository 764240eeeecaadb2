"""The sections of the configuration that say what `snakemake evidence` adds; see `mda.config.sections`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mda.config.section import Fraction, Name, Natural, Positive, Section, Unique
from mda.config.sections import InterventionKind, SelectionMethod
from mda.config.unit_sections import Target


class Curve(Section):
    """One kind of change to the training stream, made with more and more of some selections."""

    kind: InterventionKind
    selections: Annotated[list[SelectionMethod], Field(min_length=1), Unique]

    @model_validator(mode="after")
    def _control(self) -> Curve:
        if not {"influence", "random"} <= set(self.selections):
            raise ValueError("'selections' needs 'influence', and 'random' to hold it against")
        return self


class Dose(Section):
    """How the effect grows with the share of the samples."""

    curves: Annotated[list[Curve], Field(min_length=1)]
    fractions: Annotated[list[Fraction], Field(min_length=1), Unique]

    @model_validator(mode="after")
    def _once(self) -> Dose:
        kinds = [curve.kind for curve in self.curves]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"'curves' names '{kind}' twice")
        return self


class Exact(Section):
    """The exact Gauss-Newton matrix of the units' blocks, for small models."""

    draws: Annotated[int, Field(ge=2)]
    compared: Annotated[int, Field(ge=10)]
    largest_block: Positive


class Curvature(Section):
    """Other ways to compute influence, each against the configured one."""

    strategies: Annotated[list[Literal["identity", "diagonal", "kfac"]], Unique]
    dampings: Annotated[list[Annotated[float, Field(gt=0)]], Unique]
    samples: Annotated[list[Fraction], Unique]
    seeds: Annotated[list[Natural], Unique]
    exact: Exact | None


class Controls(Section):
    """Ways to select samples that influence is held against."""

    kind: Literal["mask", "replace"]
    selections: Annotated[list[SelectionMethod], Field(min_length=1), Unique]

    @model_validator(mode="after")
    def _control(self) -> Controls:
        if "random" not in self.selections:
            raise ValueError("'selections' needs 'random'")
        return self


class Specificity(Section):
    """Other units, and what removing the samples of each does to all heads."""

    kind: Literal["mask", "replace"]
    targets: Annotated[list[Target], Field(min_length=1)]


class Ablation(Section):
    """The loss without a target's units, and without as many others."""

    checkpoints: Annotated[list[Natural], Field(min_length=1), Unique] | None
    draws: Positive
    seed: Natural


class Time(Section):
    """Attribution at other checkpoints, and samples of another interval in place of the window's."""

    checkpoints: Annotated[list[Natural], Unique] | None
    select: bool
    swap: bool


class Datamodel(Section):
    """Random subsets of the window, trained on and predicted (Park et al. 2023, arXiv 2303.14186)."""

    subsets: Annotated[int, Field(ge=4)]
    share: Fraction
    orders: Positive


class Linearity(Section):
    """Samples masked in the orders that `trajectory` walks through, in shares from one sample on."""

    selections: Annotated[list[SelectionMethod], Field(min_length=1), Unique]
    fractions: Annotated[list[Fraction], Field(min_length=1), Unique]


class Sanity(Section):
    """Checks that scores fail where they must fail."""

    samples: Annotated[int, Field(ge=10)]
    updates: Positive | None
    draws: Annotated[int, Field(ge=2)]
    seed: Natural


class Validity(Section):
    """Experiments on corpora whose catalysts are known: their finished results are read."""

    label: str
    decoy: str | None
    corpora: Annotated[list[Name], Field(min_length=1), Unique]
    none: Name | None


class Contrast(Section):
    """Selecting by influence against another way to select, and the outcome that tells."""

    kind: InterventionKind
    control: SelectionMethod
    outcome: Literal[
        "formation_step", "score_area", "score_final", "sum_formation_step", "sum_area", "sum_final",
        "icl_area", "icl_final", "held_out_area", "held_out_final",
    ]  # fmt: skip

    @model_validator(mode="after")
    def _other(self) -> Contrast:
        if self.control == "influence":
            raise ValueError("control 'influence' is what is contrasted; name another way to select")
        return self


class Contrasts(Section):
    """Contrasts that were planned before several models were trained: their finished results are read."""

    experiments: Annotated[list[Name], Field(min_length=2), Unique]
    planned: Annotated[list[Contrast], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> Contrasts:
        for one in self.planned:
            if self.planned.count(one) > 1:
                raise ValueError(f"'planned' names {one.kind}, {one.control}, {one.outcome} twice")
        return self


class Studies(Section):
    """What `snakemake evidence` adds; a study that is null is left out."""

    seeds: Annotated[list[Natural], Field(min_length=1), Unique] | None
    dose: Dose | None
    curvature: Curvature | None
    controls: Controls | None
    specificity: Specificity | None
    ablation: Ablation | None
    time: Time | None
    datamodel: Datamodel | None
    linearity: Linearity | None
    sanity: Sanity | None
    validity: Validity | None
    at_once: Name | None
    larger: Name | None
    replications: Annotated[list[Name], Unique, BeforeValidator(lambda names: names or [])]
    contrasts: Contrasts | None
