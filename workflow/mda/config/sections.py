"""The sections of the configuration: every key, its type and its range.

`config.yaml` gives the value and the meaning of every key; these classes, and those of
`mda.config.corpus_sections` for the corpus, give what is allowed. A test holds that both name the same keys.
Steps take sections as arguments; `mda.config.experiment` joins them and checks what holds between them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mda.config import model_settings, weight_files
from mda.config.section import (
    EMPTY_IF_NULL,
    NULL_REMOVES,
    Beta,
    Color,
    Fraction,
    Natural,
    Positive,
    Section,
    Share,
    Unique,
)

Architecture = Literal["gpt_neox", "gpt2", "llama", "mistral", "olmo2", "qwen2", "qwen3"]
Strategy = Literal["identity", "diagonal", "kfac", "ekfac"]
Precision = Literal["fp32", "bf16"]
ScoringPrecision = Literal["fp32", "bf16", "bf16_weights"]
Acceleration = Literal["auto", "plain", "fused", "compiled", "graph", "compiled_graph"]
SelectionMethod = Literal[
    "influence", "identity", "diagonal", "kfac",
    "random", "matched", "loss", "gradient_norm", "repetition", "bigram", "compressibility", "bm25",
    "trajectory", "history", "own",
]  # fmt: skip
InterventionKind = Literal["mask", "replace", "duplicate", "augment"]


class Model(Section):
    """The model to start from."""

    architecture: Architecture
    seed: Natural
    checkpoint: str | None
    revision: str | None
    published: Annotated[dict[Natural, str], NULL_REMOVES]
    settings: Annotated[dict[str, Any], EMPTY_IF_NULL]

    @field_validator("settings", mode="after")
    @classmethod
    def _settings(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        # Of a checkpoint's model they are not read.
        if info.data.get("checkpoint") is not None or "architecture" not in info.data:
            return value
        return model_settings.checked(info.data["architecture"], value)

    def shape(self) -> model_settings.Shape:
        """The model's shape, as far as it is known before anything is downloaded."""
        if self.checkpoint is None:
            return model_settings.shape(self.architecture, self.settings)
        if self.local is None:
            return model_settings.Shape(*[None] * 7)
        return model_settings.shape(*model_settings.of_checkpoint(self.local))

    @property
    def local(self) -> Path | None:
        """The checkpoint's folder, when it is one of this machine."""
        here = self.checkpoint is not None and Path(self.checkpoint).is_dir()
        return Path(str(self.checkpoint)) if here else None

    @property
    def remote(self) -> str | None:
        """The checkpoint's repository on the hub, when it is one."""
        return None if self.local is not None else self.checkpoint

    @property
    def published_folders(self) -> list[str]:
        """The folders of `published`, in its order, when they are of this machine."""
        return list(self.published.values()) if self.remote is None else []

    def initial(self) -> Model:
        """The same without what does not change the model that training starts from."""
        unused: dict[str, Any] = {"published": {}}
        if self.checkpoint is not None:
            unused |= {"seed": 0, "settings": {}, "architecture": "gpt_neox"}
        return self.model_copy(update=unused)

    @model_validator(mode="after")
    def _published(self) -> Model:
        for step, folder in zip(self.published, self.published_folders, strict=False):
            if not (Path(folder) / "config.json").is_file():
                raise ValueError(
                    f"'published' names '{folder}' for step {step}, which is no folder of a checkpoint (it "
                    "has no config.json); mend the path, or give the revision's repository in 'checkpoint'"
                )
            weight_files.check(Path(folder))
        if self.remote is not None and (self.revision is None or self.remote.count("/") != 1):
            raise ValueError(
                f"checkpoint '{self.checkpoint}' is no folder here; for a repository on the hub write "
                "owner/name, and its 'revision'"
            )
        if self.local is not None:
            kind, _ = model_settings.of_checkpoint(self.local)
            if kind not in get_args(Architecture):
                raise ValueError(
                    f"checkpoint '{self.checkpoint}' is of architecture '{kind}', which is not supported; "
                    f"choose one of {', '.join(get_args(Architecture))}"
                )
            weight_files.check(self.local)
        return self


class Optimizer(Section):
    """AdamW and its learning-rate schedule."""

    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "linear", "cosine", "neox"]
    warmup_steps: Natural
    decay_steps: Positive | None
    minimum_ratio: Share
    betas: tuple[Beta, Beta]
    epsilon: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)]


class Window(Section):
    """The steps that interventions change: `start` to `stop` - 1.

    Runs branch from the base run at `branch`, by default at `start`.
    """

    start: Natural
    stop: Positive
    branch: Natural | None

    @property
    def origin(self) -> int:
        """The step at which interventions branch from the base run."""
        return self.start if self.branch is None else self.branch


class Run(Section):
    """The base run."""

    steps: Positive
    batch_size: Positive
    order_seed: Natural | None
    checkpoints: Annotated[list[Natural], Unique]
    evaluate_every: Positive
    window: Window
    optimizer: Optimizer


class Numerics(Section):
    """How numbers are computed, which changes them by rounding."""

    attention: Literal["eager", "sdpa"]
    training: Precision
    attribution: ScoringPrecision
    acceleration: Acceleration

    def of_training(self) -> Numerics:
        """The same without what changes no training."""
        return self.model_copy(update={"attribution": "fp32"})

    def of_attribution(self) -> Numerics:
        """The same without what changes no factors and scores."""
        return self.model_copy(update={"training": "fp32", "acceleration": "auto"})


class ICL(Section):
    """Positions of the in-context learning score."""

    early: Positive
    late: Positive


class MeasuredText(Section):
    """A text of its own to measure on: a column of a Parquet file, of the hub or of a folder."""

    repository: str
    revision: str | None
    file: str
    column: str

    @property
    def remote(self) -> str | None:
        """The dataset's repository on the hub, when it is one."""
        return None if Path(self.repository).is_dir() else self.repository

    @property
    def local(self) -> Path | None:
        """The file, when it is one of this machine."""
        return Path(self.repository) / self.file if self.remote is None else None

    @model_validator(mode="after")
    def _place(self) -> MeasuredText:
        if self.remote is not None and self.revision is None:
            raise ValueError(
                f"repository '{self.repository}' is no folder here; one of the hub needs 'revision'"
            )
        if self.local is not None and not self.local.is_file():
            raise ValueError(f"file names {self.local}, which does not exist")
        return self


class Metrics(Section):
    """What every run is measured on."""

    seed: Natural
    sequences: Positive
    length: Annotated[int, Field(ge=2)]
    held_out_rows: Positive
    text: MeasuredText | None
    icl: ICL


class Fit(Section):
    """How the curvature is fitted."""

    strategy: Strategy
    samples: Positive
    samples_per_part: Positive
    seed: Natural
    batch_size: Positive

    @property
    def parts(self) -> int:
        """Number of jobs that fit, in each of the two passes."""
        return -(-self.samples // self.samples_per_part)

    @property
    def has_eigenvectors(self) -> bool:
        """Whether the strategy works in the eigenvectors of the covariances."""
        return self.strategy in ("kfac", "ekfac")

    @property
    def has_lambdas(self) -> bool:
        """Whether the strategy needs the squared gradients."""
        return self.strategy in ("diagonal", "ekfac")


class StoredGradients(Section):
    """What is stored of every sample's gradient."""

    values: Positive
    checked: Annotated[int, Field(ge=10, le=10_000)]


class Attribution(Section):
    """When and how influence is computed."""

    checkpoint: Natural
    rank_at: Natural
    samples: Literal["run", "window"]
    damping: Annotated[float, Field(gt=0)]
    floor: Annotated[float, Field(gt=0)] | None
    samples_per_shard: Positive
    fit: Fit
    stored_gradients: StoredGradients | None


class Selection(Section):
    """How many samples are selected."""

    fractions: Annotated[list[Fraction], Field(min_length=1), Unique]
    seed: Natural
    excerpt_characters: Positive
    own: Path | None


class Intervention(Section):
    """One kind of change to the training stream, and the selections it is made with."""

    kind: InterventionKind
    selections: Annotated[list[SelectionMethod], Field(min_length=1), Unique]
    fractions: Annotated[list[Fraction], Field(min_length=1), Unique] | None = None


class Augmentation(Section):
    """How new samples are made from motifs and inserted."""

    seed: Natural
    at_step: Natural | None
    top: Positive | None
    samples: Positive | None
    motifs: Annotated[dict[str, str], NULL_REMOVES]
    shortest_motif: Annotated[int, Field(ge=2)]


class Experiments(Section):
    """The retrainings."""

    seeds: Annotated[list[Natural], Field(min_length=1), Unique]
    interventions: Annotated[list[Intervention], Field(min_length=1)]
    duplicates_at_step: Natural | None
    augmentation: Augmentation


class Evidence(Section):
    """When a unit counts as formed, and the intervals."""

    threshold: float
    sum_threshold: float
    confidence: Fraction


class Palette(Section):
    """Colours of the base and the selections."""

    base: Color
    influence: Color
    random: Color
    loss: Color
    repetition: Color
    bigram: Color
    compressibility: Color
    matched: Color
    gradient_norm: Color
    bm25: Color
    identity: Color
    diagonal: Color
    kfac: Color
    trajectory: Color
    history: Color
    own: Color


class Figures(Section):
    """How figures look."""

    palette: Palette
    width: Annotated[float, Field(ge=3, le=12)] | None
    dpi: Positive
    top_samples: Positive
    sample_tokens: Positive
    browser_samples: Positive
    browser_characters: Positive | None
