"""The sections of the configuration: every key, its type and its range.

`config.yaml` gives the value and the meaning of every key; these classes give what is
allowed. A test asserts that the two name exactly the same keys. Steps take sections as
arguments; `mda.config` joins them and checks what holds between them.
"""

from __future__ import annotations

import difflib
import re
import string
import sysconfig
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


def _unique(values: list) -> list:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"names {value!r} twice")
    return values


Unique = AfterValidator(_unique)
# An overlay cannot take keys away, but null can.
EMPTY_IF_NULL = BeforeValidator(lambda value: {} if value is None else value)
Damping = Annotated[float, Field(ge=0)] | None
Precision = Literal["fp32", "bf16"]
Metric = Literal["prefix_matching", "previous_token", "copying", "activation"]
SelectionMethod = Literal["influence", "random", "loss", "repetition"]
InterventionKind = Literal["mask", "replace", "duplicate", "augment"]

HEAD_PATTERN = re.compile(r"^L(\d+)H(\d+)$")
NEURON_PATTERN = re.compile(r"^L(\d+)N(\d+)$")
RANK_PATTERN = re.compile(r"^(induction|previous-token|copying) ([1-9]\d*)$")


# Keys of before, and what they are called now.
RENAMED = {"heads": "units"}


class Section(BaseModel):
    """A group of keys; a key it does not know is an error that names the nearest one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key in value:
            if key not in cls.model_fields:
                if RENAMED.get(str(key)) in cls.model_fields:
                    raise ValueError(f"unknown key '{key}'; it is '{RENAMED[key]}' now")
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.0)
                raise ValueError(f"unknown key '{key}'; did you mean '{near[0]}'?")
        return value


class SyntheticSource(Section):
    """One kind of document of the controlled corpus and its share of all documents."""

    label: str
    kind: Literal["markov", "tiled"]
    share: Share
    motif: tuple[Positive, Positive] | None

    @model_validator(mode="after")
    def _motif(self) -> SyntheticSource:
        if self.kind == "tiled" and (self.motif is None or self.motif[0] > self.motif[1]):
            raise ValueError("a 'tiled' source needs motif: [shortest, longest]")
        return self


class Synthetic(Section):
    """The controlled corpus; see `mda.synthetic`."""

    seed: Natural
    documents: Positive
    words: Annotated[int, Field(ge=2, le=100)]
    words_per_document: Positive
    successors: Positive
    sources: list[SyntheticSource]

    @model_validator(mode="after")
    def _shares(self) -> Synthetic:
        total = sum(source.share for source in self.sources)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of 'sources' sum to {total:g}, but must sum to 1")
        if self.successors > self.words:
            raise ValueError(f"successors ({self.successors}) exceeds words ({self.words})")
        return self


class FilePattern(Section):
    """Files of one kind and their label."""

    label: str
    glob: str


class Files(Section):
    """Local files; the first pattern that matches a file labels it."""

    root: str
    patterns: Annotated[list[FilePattern], Field(min_length=1)]
    exclude: list[str]
    undecodable: Literal["error", "skip"]
    max_characters: Positive

    @property
    def folder(self) -> Path:
        """The root; `python-stdlib` is the standard library of the running interpreter."""
        stdlib = self.root == "python-stdlib"
        return Path(sysconfig.get_paths()["stdlib"]) if stdlib else Path(self.root)


class Table(Section):
    """A JSON-lines or Parquet file with a text a row."""

    path: str
    text: str
    label: str | None


class HuggingFaceData(Section):
    """A dataset on the hub at a pinned revision."""

    repository: str
    revision: str
    subset: str | None
    split: str
    text: str
    label: str | None
    documents: Positive


class Tokenized(Section):
    """A corpus that was published as batches of tokens, in the order of a training run.

    Rows have `width` tokens. `binary` files are one stream of rows of uint16; `parquet` tables
    have the columns uid, batch_idx and token_ids.
    """

    repository: str
    revision: str | None
    format: Literal["binary", "parquet"]
    files: str
    first: Natural
    shards: Positive
    width: Annotated[int, Field(ge=5)]
    batch_size: Positive
    held_out: tuple[Natural, Positive]
    label: str

    @property
    def names(self) -> list[str]:
        """The files' names, in order."""
        return [self.files.format(number=number) for number in range(self.first, self.first + self.shards)]

    @property
    def local(self) -> Path | None:
        """The folder, when it is one of this machine."""
        return Path(self.repository) if Path(self.repository).is_dir() else None

    @property
    def remote(self) -> str | None:
        """The dataset's repository on the hub, when it is one."""
        return None if self.local is not None else self.repository

    @model_validator(mode="after")
    def _pattern(self) -> Tokenized:
        try:
            fields = [part[1] for part in string.Formatter().parse(self.files) if part[1] is not None]
            names = self.names if fields == ["number"] else []
        except (ValueError, TypeError):
            names = []
        if len(set(names)) != self.shards:
            raise ValueError(
                f"files '{self.files}' needs one place for the file's number, such as {{number:05d}}"
            )
        return self

    @model_validator(mode="after")
    def _held_out(self) -> Tokenized:
        if self.held_out[0] >= self.held_out[1]:
            raise ValueError(f"held_out {list(self.held_out)} names no batch: give [first, last + 1]")
        return self

    @model_validator(mode="after")
    def _place(self) -> Tokenized:
        if self.remote is not None and (self.revision is None or self.remote.count("/") != 1):
            raise ValueError(
                f"repository '{self.repository}' is no folder here; for a dataset on the hub write "
                "owner/name, and its 'revision'"
            )
        folder = self.local
        missing = [] if folder is None else [name for name in self.names if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"repository: the folder {folder} has no file {missing[0]}")
        return self


class Corpus(Section):
    """Where the documents come from."""

    source: Literal["synthetic", "files", "jsonl", "parquet", "huggingface", "tokenized"]
    held_out: Fraction
    split_seed: Natural
    synthetic: Synthetic | None
    files: Files | None
    table: Table | None
    huggingface: HuggingFaceData | None
    tokenized: Tokenized | None

    @property
    def key(self) -> str:
        """Name of the section that the source reads."""
        return "table" if self.source in ("jsonl", "parquet") else self.source

    @property
    def chosen(self) -> Synthetic | Files | Table | HuggingFaceData | Tokenized:
        """The settings of the source in use."""
        return getattr(self, self.key)

    def in_use(self) -> Corpus:
        """The same without the sections of other sources, which change no result."""
        unused = {"synthetic", "files", "table", "huggingface", "tokenized"} - {self.key}
        return self.model_copy(update=dict.fromkeys(unused))

    @model_validator(mode="after")
    def _has_source(self) -> Corpus:
        if self.chosen is None:
            raise ValueError(f"source is '{self.source}', but the section '{self.key}' is empty")
        if isinstance(self.chosen, Table) and not Path(self.chosen.path).is_file():
            raise ValueError(f"table.path names the file {self.chosen.path}, which does not exist")
        if isinstance(self.chosen, Files) and not self.chosen.folder.is_dir():
            raise ValueError(f"files.root names the folder {self.chosen.folder}, which does not exist")
        return self


class Tokenizer(Section):
    """The tokenizer to train or load."""

    kind: Literal["word", "bpe", "file", "huggingface"]
    vocabulary: Annotated[int, Field(ge=3)]
    path: str | None
    revision: str | None

    @property
    def remote(self) -> tuple[str, str]:
        """Repository and revision on the hub, empty for a tokenizer from elsewhere."""
        return (self.path or "", self.revision or "") if self.kind == "huggingface" else ("", "")

    @model_validator(mode="after")
    def _path(self) -> Tokenizer:
        if self.kind in ("file", "huggingface") and not self.path:
            raise ValueError(f"kind '{self.kind}' needs 'path': the file, or the repository's name")
        if self.kind == "huggingface" and not self.revision:
            raise ValueError("kind 'huggingface' needs 'revision'")
        if self.kind == "file" and self.path and not Path(self.path).is_file():
            raise ValueError(f"path names the file {self.path}, which does not exist")
        if self.kind == "bpe" and self.vocabulary < 257:
            raise ValueError(f"vocabulary {self.vocabulary} is too small for a byte-level BPE: at least 257")
        return self


class Tokens(Section):
    """How text becomes rows of tokens."""

    tokenizer: Tokenizer
    context: Annotated[int, Field(ge=4)]


class Model(Section):
    """The model to start from."""

    architecture: Literal["gpt_neox", "gpt2", "llama", "mistral", "olmo2", "qwen2", "qwen3"]
    seed: Natural
    checkpoint: str | None
    revision: str | None
    published: Annotated[dict[Natural, str], EMPTY_IF_NULL]
    settings: dict[str, Any]

    @property
    def local(self) -> Path | None:
        """The checkpoint's folder, when it is one of this machine."""
        here = self.checkpoint is not None and Path(self.checkpoint).is_dir()
        return Path(str(self.checkpoint)) if here else None

    @property
    def remote(self) -> str | None:
        """The checkpoint's repository on the hub, when it is one."""
        return None if self.local is not None else self.checkpoint

    def initial(self) -> Model:
        """The same without what does not change the model that training starts from."""
        unused: dict[str, Any] = {"published": {}}
        if self.checkpoint is not None:
            unused |= {"seed": 0, "settings": {}, "architecture": "gpt_neox"}
        return self.model_copy(update=unused)

    @model_validator(mode="after")
    def _published(self) -> Model:
        if self.published and self.remote is None:
            raise ValueError(
                "'published' needs 'checkpoint': the repository on the hub whose revisions it names"
            )
        if self.remote is not None and (self.revision is None or self.remote.count("/") != 1):
            raise ValueError(
                f"checkpoint '{self.checkpoint}' is no folder here; for a repository on the hub write "
                "owner/name, and its 'revision'"
            )
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
    attribution: Precision

    def of_training(self) -> Numerics:
        """The same without what changes no training."""
        return self.model_copy(update={"attribution": "fp32"})

    def of_attribution(self) -> Numerics:
        """The same without what changes no factors and scores."""
        return self.model_copy(update={"training": "fp32"})


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


class Probe(Section):
    """A differentiable measure of how well a unit does its job; see `mda.probes`."""

    measure: str
    tokens: Literal["repeated", "random"]
    length: Annotated[int, Field(ge=2)]
    sequences: Positive
    seed: Natural

    @model_validator(mode="after")
    def _measure(self) -> Probe:
        known = ("induction", "previous_token", "activation")
        if self.measure not in known and ":" not in self.measure:
            raise ValueError(
                f"measure '{self.measure}' is neither one of {', '.join(known)} nor 'file.py:function'"
            )
        if self.measure in ("induction", "activation") and self.tokens != "repeated":
            raise ValueError(f"measure '{self.measure}' needs tokens: repeated")
        return self

    def fits(self, neurons: bool) -> bool:
        """Whether it can be asked of neurons, or of heads."""
        return self.measure not in (("previous_token",) if neurons else ("activation",))

    @property
    def sequence_length(self) -> int:
        """Number of tokens of one probe sequence."""
        return 2 * self.length if self.tokens == "repeated" else self.length

    @property
    def file(self) -> str | None:
        """The user's source file, if the measure is the user's own."""
        return self.measure.rsplit(":", 1)[0] if ":" in self.measure else None


class Target(Section):
    """A unit: one or several heads, named by place or by rank, or one or several neurons."""

    name: Name
    units: Annotated[list[str], Unique]
    probe: str
    mode: Literal["qk", "qkvo", "in-out"]
    metric: Metric

    @property
    def neurons(self) -> bool:
        """Whether the unit is of neurons."""
        return any(NEURON_PATTERN.match(unit) for unit in self.units)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks of weights whose influence counts."""
        return {"qk": ("qk",), "qkvo": ("qk", "v", "o"), "in-out": ("in", "out")}[self.mode]

    @model_validator(mode="after")
    def _units(self) -> Target:
        if not self.units:
            raise ValueError("'units' is empty; give heads such as L1H0, or ranks such as 'induction 1'")
        for unit in self.units:
            if not any(pattern.match(unit) for pattern in (HEAD_PATTERN, NEURON_PATTERN, RANK_PATTERN)):
                raise ValueError(
                    f"'{unit}' names no unit; write a head's place such as L1H0, a rank such as "
                    "'induction 1', 'previous-token 1' or 'copying 1', or a neuron's place such as L1N37"
                )
        if self.neurons and not all(NEURON_PATTERN.match(unit) for unit in self.units):
            raise ValueError("'units' has heads and neurons; make a target of each")
        for key, ours in (("mode", self.mode == "in-out"), ("metric", self.metric == "activation")):
            if ours != self.neurons:
                raise ValueError(
                    f"{key} '{getattr(self, key)}' does not fit "
                    + ("neurons, which have mode in-out and metric activation" if self.neurons else "heads")
                )
        return self


class Fit(Section):
    """How the curvature is fitted."""

    strategy: Literal["identity", "diagonal", "kfac", "ekfac"]
    samples: Positive
    seed: Natural
    batch_size: Positive


class Attribution(Section):
    """When and how influence is computed."""

    checkpoint: Natural
    rank_at: Natural
    samples: Literal["run", "window"]
    damping: Damping
    samples_per_shard: Positive
    fit: Fit


class Selection(Section):
    """How many samples are selected."""

    fractions: Annotated[list[Fraction], Field(min_length=1), Unique]
    seed: Natural
    excerpt_characters: Positive


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
    motifs: Annotated[dict[str, str], EMPTY_IF_NULL]
    shortest_motif: Annotated[int, Field(ge=2)]


class Experiments(Section):
    """The retrainings."""

    seeds: Annotated[list[Natural], Field(min_length=1), Unique]
    interventions: Annotated[list[Intervention], Field(min_length=1)]
    augmentation: Augmentation


class Evidence(Section):
    """When a unit counts as formed, and the intervals."""

    threshold: float
    confidence: Fraction
    resamples: Positive
    seed: Natural


class Palette(Section):
    """Colours of the base and the selections."""

    base: Color
    influence: Color
    random: Color
    loss: Color
    repetition: Color


class Figures(Section):
    """How figures look."""

    palette: Palette
    dpi: Positive
    top_samples: Positive
    sample_tokens: Positive
