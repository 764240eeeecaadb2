"""The configuration: every key, its type and its range, checked before any job starts.

`config.yaml` gives the value and the meaning of every key; these classes give what is
allowed. A test asserts that the two name exactly the same keys.
"""

from __future__ import annotations

import difflib
import re
import sysconfig
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mda.errors import UserError

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Damping = Annotated[float, Field(ge=0)] | None
HeadMetric = Literal["prefix_matching", "previous_token", "copying"]
SelectionMethod = Literal["influence", "random", "loss", "repetition"]
InterventionKind = Literal["mask", "replace", "duplicate", "augment"]

HEAD_PATTERN = re.compile(r"^L(\d+)H(\d+)$")
RANK_PATTERN = re.compile(r"^(induction|previous-token|copying) ([1-9]\d*)$")


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
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.0)
                raise ValueError(f"unknown key '{key}'; did you mean '{near[0]}'?")
        return value


class SyntheticSource(Section):
    """One kind of document of the controlled corpus and its share of all documents."""

    label: str
    kind: Literal["markov", "tiled"]
    share: Share
    catalyst: bool
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


class Corpus(Section):
    """Where the documents come from."""

    source: Literal["synthetic", "files", "jsonl", "parquet", "huggingface"]
    held_out: Fraction
    split_seed: Natural
    synthetic: Synthetic | None
    files: Files | None
    table: Table | None
    huggingface: HuggingFaceData | None

    @property
    def key(self) -> str:
        """Name of the section that the source reads."""
        return "table" if self.source in ("jsonl", "parquet") else self.source

    @property
    def chosen(self) -> Synthetic | Files | Table | HuggingFaceData:
        """The settings of the source in use."""
        return getattr(self, self.key)

    def in_use(self) -> Corpus:
        """The same without the sections of other sources, which change no result."""
        unused = {"synthetic", "files", "table", "huggingface"} - {self.key}
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

    @model_validator(mode="after")
    def _path(self) -> Tokenizer:
        if self.kind in ("file", "huggingface") and not self.path:
            raise ValueError(f"kind '{self.kind}' needs 'path': the file, or the repository's name")
        return self


class Tokens(Section):
    """How text becomes rows of tokens."""

    tokenizer: Tokenizer
    context: Annotated[int, Field(ge=4)]


class Model(Section):
    """The model to start from."""

    architecture: str
    seed: Natural
    checkpoint: str | None
    revision: str | None
    settings: dict[str, Any]


class Optimizer(Section):
    """AdamW and its learning-rate schedule."""

    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "linear", "cosine"]
    warmup_steps: Natural
    decay_steps: Positive | None
    minimum_ratio: Share
    betas: tuple[Share, Share]
    epsilon: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)]


class Window(Section):
    """The steps that interventions change: `start` to `stop` - 1."""

    start: Natural
    stop: Positive


class Run(Section):
    """The base run."""

    steps: Positive
    batch_size: Positive
    order_seed: Natural
    checkpoints: list[Natural]
    evaluate_every: Positive
    window: Window
    optimizer: Optimizer


class ICL(Section):
    """Positions of the in-context learning score."""

    early: Positive
    late: Positive


class Metrics(Section):
    """What every run is measured on."""

    seed: Natural
    sequences: Positive
    length: Annotated[int, Field(ge=2)]
    held_out_rows: Positive
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
        known = ("induction", "previous_token")
        if self.measure not in known and ":" not in self.measure:
            raise ValueError(
                f"measure '{self.measure}' is neither one of {', '.join(known)} nor 'file.py:function'"
            )
        if self.measure == "induction" and self.tokens != "repeated":
            raise ValueError("measure 'induction' needs tokens: repeated")
        return self

    @property
    def sequence_length(self) -> int:
        """Number of tokens of one probe sequence."""
        return 2 * self.length if self.tokens == "repeated" else self.length

    @property
    def file(self) -> str | None:
        """The user's source file, if the measure is the user's own."""
        return self.measure.rsplit(":", 1)[0] if ":" in self.measure else None


class Target(Section):
    """A unit: one or several heads, named by place or by rank."""

    name: Name
    heads: list[str]
    probe: str
    mode: Literal["qk", "qkvo"]
    metric: HeadMetric

    @model_validator(mode="after")
    def _heads(self) -> Target:
        if not self.heads:
            raise ValueError("'heads' is empty; give heads such as L1H0, or ranks such as 'induction 1'")
        for head in self.heads:
            if not HEAD_PATTERN.match(head) and not RANK_PATTERN.match(head):
                raise ValueError(
                    f"'{head}' names no head; write a place such as L1H0, or a rank such as "
                    "'induction 1', 'previous-token 1' or 'copying 1'"
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
    damping: Damping
    samples_per_shard: Positive
    fit: Fit


class Selection(Section):
    """How many samples are selected."""

    fractions: Annotated[list[Fraction], Field(min_length=1)]
    seed: Natural
    excerpt_characters: Positive


class Intervention(Section):
    """One kind of change to the training stream, and the selections it is made with."""

    kind: InterventionKind
    selections: Annotated[list[SelectionMethod], Field(min_length=1)]
    fractions: list[Fraction] | None = None


class Augmentation(Section):
    """How new samples are made from motifs and inserted."""

    seed: Natural
    at_step: Natural | None
    shortest_motif: Annotated[int, Field(ge=2)]


class Experiments(Section):
    """The retrainings."""

    seeds: Annotated[list[Natural], Field(min_length=1)]
    interventions: Annotated[list[Intervention], Field(min_length=1)]
    augmentation: Augmentation


class Evidence(Section):
    """When a unit counts as formed, and the intervals."""

    threshold: Fraction
    confidence: Fraction
    resamples: Positive
    seed: Natural


class Figures(Section):
    """How figures look."""

    palette: dict[str, str]
    dpi: Positive
    top_samples: Positive


class Config(Section):
    """The whole configuration of one experiment."""

    experiment: Name | None
    corpus: Corpus
    tokens: Tokens
    model: Model
    run: Run
    metrics: Metrics
    probes: dict[str, Probe]
    targets: Annotated[list[Target], Field(min_length=1)]
    attribution: Attribution
    selection: Selection
    experiments: Experiments
    evidence: Evidence
    figures: Figures

    @model_validator(mode="after")
    def _cross_checks(self) -> Config:
        for check in (_check_run, _check_lengths, _check_targets, _check_interventions, _check_sizes):
            check(self)
        return self

    @property
    def results(self) -> str:
        """Folder of this experiment's results, relative to the working directory."""
        return "results" if self.experiment is None else f"results/{self.experiment}"

    @property
    def shards(self) -> int:
        """Number of scoring jobs."""
        return -(-self.run.steps * self.run.batch_size // self.attribution.samples_per_shard)

    def used_probes(self) -> dict[str, Probe]:
        """The probes that some target names."""
        return {target.probe: self.probes[target.probe] for target in self.targets}

    def probe_files(self) -> tuple[str, ...]:
        """The users' own source files among them."""
        files = {probe.file for probe in self.used_probes().values() if probe.file is not None}
        return tuple(sorted(files))


def _check_run(config: Config) -> None:
    run, window = config.run, config.run.window
    if not window.start < window.stop <= run.steps:
        raise ValueError(
            f"run.window is {window.start} to {window.stop}, but must lie inside the run: "
            f"start < stop <= run.steps ({run.steps})"
        )
    for step in run.checkpoints:
        if step > run.steps:
            raise ValueError(f"run.checkpoints names step {step}, but run.steps is {run.steps}")
    for key in ("checkpoint", "rank_at"):
        step = getattr(config.attribution, key)
        if step not in run.checkpoints:
            raise ValueError(
                f"attribution.{key} is {step}, but run.checkpoints keeps only "
                f"{', '.join(map(str, run.checkpoints))}; add it there"
            )
    decay = run.optimizer.decay_steps
    if run.optimizer.schedule != "constant" and (decay is None or decay <= run.optimizer.warmup_steps):
        raise ValueError(
            f"run.optimizer.schedule '{run.optimizer.schedule}' needs decay_steps above warmup_steps"
        )


def _check_lengths(config: Config) -> None:
    context = config.tokens.context
    if 2 * config.metrics.length > context:
        raise ValueError(
            f"metrics.length {config.metrics.length} is shown twice and exceeds tokens.context {context}"
        )
    for name, probe in config.probes.items():
        if probe.sequence_length > context:
            raise ValueError(
                f"probes.{name} has sequences of {probe.sequence_length} tokens, "
                f"but tokens.context is {context}; lower its length"
            )
    if not config.metrics.icl.early <= config.metrics.icl.late < context:
        raise ValueError(f"metrics.icl needs early <= late < tokens.context ({context})")


def _check_targets(config: Config) -> None:
    names = [target.name for target in config.targets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"targets names '{name}' twice")
    layers = config.model.settings.get("num_hidden_layers")
    heads = config.model.settings.get("num_attention_heads")
    for target in config.targets:
        if target.probe not in config.probes:
            raise ValueError(
                f"targets.{target.name}.probe is '{target.probe}', "
                f"but probes has only {', '.join(config.probes)}"
            )
        if config.model.checkpoint is None:
            for head in target.heads:
                _check_head(target.name, head, layers, heads)
    for name, probe in config.used_probes().items():
        if probe.file is not None and not Path(probe.file).is_file():
            raise ValueError(f"probes.{name}.measure names the file {probe.file}, which does not exist")


def _check_head(target: str, head: str, layers: Any, heads: Any) -> None:
    place, rank = HEAD_PATTERN.match(head), RANK_PATTERN.match(head)
    if not isinstance(layers, int) or not isinstance(heads, int):
        return
    if place and (int(place[1]) >= layers or int(place[2]) >= heads):
        raise ValueError(
            f"targets.{target} names head {head}, but the model has layers 0 to {layers - 1} "
            f"with heads 0 to {heads - 1}"
        )
    if rank and int(rank[2]) > layers * heads:
        raise ValueError(f"targets.{target} asks for rank {rank[2]} of {layers * heads} heads")


def _check_interventions(config: Config) -> None:
    kinds = [intervention.kind for intervention in config.experiments.interventions]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"experiments.interventions names '{kind}' twice")
    window = config.run.window
    for intervention in config.experiments.interventions:
        if "random" not in intervention.selections:
            raise ValueError(
                f"experiments.interventions: '{intervention.kind}' has no 'random' selection, "
                "without which no effect can be judged; add it"
            )
        for fraction in intervention.fractions or config.selection.fractions:
            if fraction not in config.selection.fractions:
                raise ValueError(
                    f"experiments.interventions: '{intervention.kind}' uses fraction {fraction:g}, "
                    "which selection.fractions does not list"
                )
            if intervention.kind == "replace" and fraction > 0.5:
                raise ValueError(
                    f"'replace' at fraction {fraction:g} has fewer unselected samples than places to fill"
                )
    step = config.experiments.augmentation.at_step
    if step is not None and not window.start <= step < window.stop:
        raise ValueError(
            f"experiments.augmentation.at_step {step} lies outside run.window "
            f"({window.start} to {window.stop - 1})"
        )


def _check_sizes(config: Config) -> None:
    needed = config.run.steps * config.run.batch_size
    if config.attribution.fit.samples > needed:
        raise ValueError(
            f"attribution.fit.samples {config.attribution.fit.samples} exceeds the "
            f"{needed} samples of the run"
        )
    if config.corpus.source == "synthetic" and config.corpus.synthetic is not None:
        words = config.corpus.synthetic.words_per_document + 1
        available = round(config.corpus.synthetic.documents * (1 - config.corpus.held_out)) * words
        if available < needed * (config.tokens.context + 1):
            raise ValueError(
                f"the run reads {needed} rows of {config.tokens.context + 1} tokens, but "
                f"corpus.synthetic gives only {available} tokens; raise corpus.synthetic.documents "
                "or lower run.steps"
            )


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def check(config: dict[str, Any]) -> Config:
    """Turn a merged configuration into its checked form.

    Raises:
        UserError: one sentence that names the key, the value and what is allowed.
    """
    settings = {key: value for key, value in config.items() if key != "pathvars"}
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = _place(first["loc"])
        message = re.sub(r"^Value error, ", "", first["msg"])
        message = re.sub(r" or instance of \w+$", "", message)
        value = first["input"]
        if isinstance(value, (str, int, float, bool)) or value is None:
            message = f"is {value!r}: {message[0].lower()}{message[1:]}"
        elif place:
            message = f": {message}"
        where = f"'{place}'" + ("" if message.startswith(":") else " ") if place else ""
        raise UserError(f"configuration: {where}{message.rstrip('.')}.") from None


def selections_of(config: Config, method: SelectionMethod) -> list[str]:
    """Names of the selections that a method gives: one a target for 'influence', else one."""
    if method == "influence":
        return [f"influence-{target.name}" for target in config.targets]
    return [method]
