"""Pins: for every hub revision in use, its commit, and the size and SHA-256 of its files.

A revision of the hub is a name that can move. `workflow/pins.csv` has a line for each file and says what
the name stood for when it was pinned; `make pin` writes it, and `mda.hub.downloads` fetches nothing else.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mda.runtime import files
from mda.runtime.errors import UserError

TABLE = Path(__file__).parents[2] / "pins.csv"
COLUMNS = ("kind", "repository", "revision", "commit", "file", "bytes", "sha256")
WEIGHTS = (".safetensors", ".bin")

# How to mend what is missing from the table.
COMMAND = "make pin EXPERIMENT=experiments/<name>.yaml"

# In place of a file's name: config.json, the weights, generation_config.json if there.
CHECKPOINT = "checkpoint/"

Kind = Literal["model", "dataset"]


def _relative(name: str) -> str:
    if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError("must be a path inside the repository")
    return name


class PinnedFile(BaseModel):
    """One file of a commit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_relative)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Pin(BaseModel):
    """What a revision of a repository stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    repository: Annotated[str, Field(min_length=1)]
    revision: Annotated[str, Field(min_length=1)]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    files: Annotated[tuple[PinnedFile, ...], Field(min_length=1)]

    @property
    def key(self) -> tuple[str, str, str]:
        """What a pin is found by."""
        return self.kind, self.repository, self.revision

    @property
    def names(self) -> list[str]:
        """Names of the pinned files."""
        return [file.name for file in self.files]

    @property
    def weights(self) -> frozenset[str]:
        """SHA-256 of the weight files."""
        return frozenset(file.sha256 for file in self.files if file.name.endswith(WEIGHTS))

    def file(self, name: str) -> PinnedFile:
        """The pinned file of this name.

        Raises:
            UserError: when there is none.
        """
        for file in self.files:
            if file.name == name:
                return file
        raise UserError(f"{self.repository} at {self.revision}: {name} is not pinned; run {COMMAND}")


def of_checkpoint(name: str) -> bool:
    """Whether a file can belong to a checkpoint: its weights, their index, its configuration."""
    return name in ("config.json", "generation_config.json") or name.endswith((*WEIGHTS, ".index.json"))


def find(kind: Kind, repository: str, revision: str, path: Path = TABLE) -> Pin | None:
    """The pin of a revision, or None.

    Raises:
        UserError: when the table cannot be read.
    """
    return next((pin for pin in read(path) if pin.key == (kind, repository, revision)), None)


def read(path: Path = TABLE) -> list[Pin]:
    """All pins of a table.

    Raises:
        UserError: for a malformed line, a revision with two commits, and revisions with equal weights.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); restore it from git") from None
    lines = csv.DictReader(io.StringIO(text))
    if tuple(lines.fieldnames or ()) != COLUMNS:
        raise UserError(f"{path}: the first line must be {','.join(COLUMNS)}; restore the file from git")
    pins: dict[tuple[str, str, str], Pin] = {}
    for line in lines:
        pin = _pin(line, f"{path}, line {lines.line_num}")
        seen = pins.get(pin.key)
        if seen is not None:
            pin = _joined(seen, pin, f"{path}, line {lines.line_num}")
        pins[pin.key] = pin
    _check_weights(list(pins.values()), path)
    return list(pins.values())


def write(path: Path, pins: list[Pin]) -> None:
    """Write a table, sorted, whole or not at all.

    Raises:
        UserError: for revisions with equal weights, and when the file cannot be written.
    """
    _check_weights(pins, path)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for pin in sorted(pins, key=lambda pin: pin.key):
        for file in sorted(pin.files, key=lambda file: file.name):
            table.writerow((*pin.key, pin.commit, file.name, file.bytes, file.sha256))
    files.write_text(path, text.getvalue())


def _pin(line: dict[str, str], place: str) -> Pin:
    """The pin of one line."""
    file = {"name": line["file"], "bytes": line["bytes"], "sha256": line["sha256"]}
    try:
        # A line with too many fields has them under None, one with too few has None in the last.
        keys = {key: line[key] for key in ("kind", "repository", "revision", "commit")}
        return Pin.model_validate({**keys, "files": [file], **({"extra": ""} if None in line else {})})
    except ValidationError as error:
        first = error.errors()[0]
        column = first["loc"][-1]
        raise UserError(
            f"{place}: {'file' if column == 'name' else column} is {first['input']!r}: "
            f"{first['msg'].removeprefix('Value error, ')}; restore the file from git, or run {COMMAND}"
        ) from None


def _joined(seen: Pin, pin: Pin, place: str) -> Pin:
    """A pin with one more file."""
    what = f"{place}: {pin.repository} at {pin.revision}"
    if seen.commit != pin.commit:
        raise UserError(f"{what} has two commits, {seen.commit} and {pin.commit}; delete the lines of one")
    if pin.files[0].name in seen.names:
        raise UserError(f"{what} has two lines for {pin.files[0].name}; delete one")
    return seen.model_copy(update={"files": (*seen.files, *pin.files)})


def _check_weights(pins: list[Pin], path: Path) -> None:
    """Some revisions on the hub are duplicates of others, which would pass for two training steps."""
    seen: dict[tuple[str, frozenset[str]], Pin] = {}
    for pin in sorted(pins, key=lambda pin: pin.key):
        if pin.kind != "model" or not pin.weights:
            continue
        other = seen.setdefault((pin.repository, pin.weights), pin)
        if other is not pin:
            raise UserError(
                f"{path}: {pin.repository} has the same weights at {other.revision} and {pin.revision}: one "
                "is a duplicate of the other; use only the one whose name is right, or another repository"
            )


def references(config: Any) -> list[tuple[Kind, str, str, tuple[str, ...]]]:
    """All that a configuration (`mda.config.experiment.Config`) takes from the hub by pin.

    Returns:
        Kind, repository, revision, and the wanted files, `CHECKPOINT` among them; each revision
        once, in the order of the configuration.
    """
    model, tokenizer, tokenized = config.model, config.tokens.tokenizer, config.corpus.tokenized
    found: list[tuple[Kind, str, str | None, tuple[str, ...]]] = []
    if config.corpus.source == "tokenized" and tokenized.remote is not None:
        found.append(("dataset", tokenized.remote, tokenized.revision, tuple(tokenized.names)))
    if tokenizer.kind == "huggingface":
        found.append(("model", tokenizer.path, tokenizer.revision, ("tokenizer.json",)))
    if config.trace is not None:
        remote = [one for one in config.trace.checkpoints.values() if one.remote is not None]
        found += [("model", one.remote, one.revision, (CHECKPOINT,)) for one in remote]
    elif model.remote is not None:
        found += [
            ("model", model.remote, revision, (CHECKPOINT,))
            for revision in (model.revision, *model.published.values())
        ]
    text = config.metrics.text
    if text is not None and text.remote is not None:
        found.append(("dataset", text.remote, text.revision, (text.file,)))
    merged: dict[tuple[Kind, str, str], tuple[str, ...]] = {}
    for kind, repository, revision, wanted in found:
        key = (kind, repository, revision or "main")
        merged[key] = tuple(dict.fromkeys((*merged.get(key, ()), *wanted)))
    return [(*key, wanted) for key, wanted in merged.items()]
