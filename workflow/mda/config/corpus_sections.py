"""The sections of the configuration that say where tokens come from: corpus and tokenizer.

See `mda.config.sections` for the others.
"""

from __future__ import annotations

import glob
import string
import sysconfig
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from mda.config.section import Natural, Positive, Section, Share, Unique


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
    """The controlled corpus; see `mda.corpus.synthetic`."""

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

    @field_validator("glob")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            # In no folder: a pattern is read before it is looked for.
            next(Path("/dev/null").glob(value), None)
        except (ValueError, NotImplementedError, IndexError) as error:
            what = "it names no file" if isinstance(error, IndexError) else str(error).lower()
            raise ValueError(f"{what}; write one below the root, such as **/*.txt") from None
        return value


# Roots that are no folder: of the running Python its standard library, alone or with the pinned packages.
STANDARD_LIBRARY, ENVIRONMENT = "python-stdlib", "python-environment"


class Files(Section):
    """Local files; the first pattern that matches a file labels it."""

    root: Annotated[str, Field(min_length=1)]
    patterns: Annotated[list[FilePattern], Field(min_length=1)]
    exclude: list[str]
    undecodable: Literal["error", "skip"]
    max_characters: Positive
    min_characters: Positive = 1
    drop_duplicates: bool = False
    documents: Positive | None = None
    seed: Natural = 0

    @property
    def folder(self) -> Path | None:
        """The folder that is searched; None of the Python environment, which has several."""
        if self.root == ENVIRONMENT:
            return None
        stdlib = self.root == STANDARD_LIBRARY
        return Path(sysconfig.get_paths()["stdlib"]) if stdlib else Path(self.root)

    @model_validator(mode="after")
    def _lengths(self) -> Files:
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters ({self.min_characters}) exceeds max_characters ({self.max_characters})"
            )
        return self


Missing = Literal["error", "skip"]

# How the files of a folder end that a table is read from; of JSON lines, compressed ones too.
ENDINGS = {
    "jsonl": tuple(
        f"{name}{packed}"
        for name in (".jsonl", ".ndjson", ".json")
        for packed in ("", ".gz", ".zst", ".bz2", ".xz")
    ),
    "parquet": (".parquet", ".pq"),
}
# What `save_to_disk` of the datasets library leaves: in the folder of a dataset, and in one of several.
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"


# Columns that tables of documents have of their own.
TAKEN = (
    "document", "text", "label", "origin", "split", "target", "influence", "influence_per_token",
    "loss_per_token", "tokens", "rank", "percentile",
)  # fmt: skip


def _own_columns(names: list[str]) -> list[str]:
    for name in names:
        if name in TAKEN:
            raise ValueError(f"'{name}' is a column that tables of documents have anyway; rename yours")
    return names


OwnColumns = Annotated[list[str], Unique, AfterValidator(_own_columns)]


class Table(Section):
    """JSON lines, Parquet, or a folder that the datasets library saved, with a text a row."""

    path: Annotated[str, Field(min_length=1)]
    text: str
    label: str | None
    missing: Missing = "error"
    missing_label: str | None = None
    columns: OwnColumns = Field(default_factory=list)

    def matching(self, source: str) -> list[Path]:
        """The files that count, sorted: that of the name, those of a folder, or those of a pattern."""
        path = Path(self.path)
        if path.is_file():
            return [path]
        if not path.is_dir():
            named = [Path(name) for name in glob.glob(self.path, recursive=True)]  # noqa: PTH207 (may be absolute)
            # A link to a folder above makes many names of each file.
            once = {name.resolve(): name for name in sorted(named, reverse=True) if name.is_file()}
            return sorted(once.values())
        found = [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file, path)]
        return [file for file in found if source == "datasets" or file.name.endswith(ENDINGS[source])]

    def check(self, source: str) -> None:
        """Raise a ValueError when there is nothing to read, or it is of another kind."""
        path = Path(self.path)
        if (path / SAVED_SPLITS).is_file():
            splits = ", ".join(part.name for part in sorted(path.iterdir()) if (part / SAVED).is_file())
            raise ValueError(
                f"table.path is {path}, where datasets saved several splits ({splits}); name the folder of "
                "one, and set source to datasets"
            )
        if source != "datasets" and (path / SAVED).is_file():
            raise ValueError(f"table.path is {path}, a folder that datasets saved; set source to datasets")
        if source == "datasets" and not (path / SAVED).is_file():
            what = "is not there" if not path.exists() else f"has no {SAVED} in it"
            raise ValueError(
                f"table.path is {path}, but it {what}; name a folder that save_to_disk of the datasets "
                "library made"
            )
        if not self.matching(source):
            if path.is_dir():
                raise ValueError(
                    f"table.path is the folder {path}, in which no file ends in {', '.join(ENDINGS[source])}"
                )
            if path.exists():
                raise ValueError(
                    f"table.path is {path}, which is no plain file but a pipe or a device; write what it "
                    "gives to a file"
                )
            if glob.has_magic(self.path):
                raise ValueError(
                    f"table.path is the pattern {self.path}, which matches no file; mend it ([[] stands for "
                    "a bracket)"
                )
            raise ValueError(f"table.path names the file {path}, which does not exist")


def _hidden(file: Path, folder: Path) -> bool:
    """Whether a file was left by a program: .ipynb_checkpoints, _SUCCESS."""
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


class HuggingFaceData(Section):
    """A dataset on the hub at a pinned revision."""

    repository: str
    revision: str
    subset: str | None
    split: str
    text: str
    label: str | None
    documents: Positive
    missing: Missing = "error"
    missing_label: str | None = None
    columns: OwnColumns = Field(default_factory=list)


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
    def local_files(self) -> list[Path]:
        """The files, when they are of this machine."""
        return [] if self.local is None else [self.local / name for name in self.names]

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

    source: Literal["synthetic", "files", "jsonl", "parquet", "datasets", "huggingface", "tokenized"]
    held_out: Annotated[float, Field(ge=0, lt=1)]
    split_seed: Natural
    synthetic: Synthetic | None
    files: Files | None
    table: Table | None
    huggingface: HuggingFaceData | None
    tokenized: Tokenized | None

    @property
    def key(self) -> str:
        """Name of the section that the source reads."""
        return "table" if self.source in ("jsonl", "parquet", "datasets") else self.source

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
        if isinstance(self.chosen, Table):
            self.chosen.check(self.source)
        folder = self.chosen.folder if isinstance(self.chosen, Files) else None
        if folder is not None and not folder.is_dir():
            lacks = "is none" if folder.exists() else "does not exist"
            raise ValueError(f"files.root names the folder {folder}, which {lacks}")
        return self


def _of_tokenizer(name: str) -> bool:
    """Whether a file may hold a vocabulary; in a checkpoint's folder, most do not."""
    return name not in ("config.json", "generation_config.json", "README.txt", "made_by.json") and not (
        name.startswith("tokenizer_config") or name.endswith((".index.json", "special_tokens_map.json"))
    )


class Tokenizer(Section):
    """The tokenizer to train or load."""

    kind: Literal["word", "bpe", "file", "huggingface"]
    vocabulary: Annotated[int, Field(ge=3)]
    path: str | None
    revision: str | None
    end: str | None
    begin: str | None

    @property
    def remote(self) -> tuple[str, str]:
        """Repository and revision on the hub, empty for a tokenizer from elsewhere."""
        return (self.path or "", self.revision or "") if self.kind == "huggingface" else ("", "")

    @property
    def files(self) -> list[Path]:
        """The files of this machine that it is read from: of a folder tokenizer.json alone, if it has one."""
        if self.kind != "file" or self.path is None:
            return []
        path = Path(self.path)
        if not path.is_dir():
            return [path]
        whole = path / "tokenizer.json"
        if whole.is_file():
            return [whole]
        found = sorted(file for file in path.iterdir() if file.suffix in (".json", ".txt", ".model"))
        # config.json names the kind of a tokenizer, but has none.
        return found if any(_of_tokenizer(file.name) for file in found) else []

    @model_validator(mode="after")
    def _path(self) -> Tokenizer:
        if self.kind in ("file", "huggingface") and not self.path:
            raise ValueError(f"kind '{self.kind}' needs 'path': the file or folder, or the repository's name")
        if self.kind == "huggingface" and not self.revision:
            raise ValueError("kind 'huggingface' needs 'revision'")
        if self.kind == "file" and not Path(self.path or "").exists():
            raise ValueError(f"path is {self.path}, which does not exist")
        if self.kind == "file" and not self.files:
            raise ValueError(f"path is the folder {self.path}, which has no file of a tokenizer in it")
        if self.kind == "bpe" and self.vocabulary < 257:
            raise ValueError(f"vocabulary {self.vocabulary} is too small for a byte-level BPE: at least 257")
        if self.begin is not None and self.begin == self.end:
            raise ValueError(f"begin and end are both '{self.begin}'; set begin to null, for one is enough")
        return self


class Tokens(Section):
    """How text becomes rows of tokens."""

    tokenizer: Tokenizer
    context: Annotated[int, Field(ge=4)]
    pack: bool
