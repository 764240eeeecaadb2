"""Compare the record in a result with the present settings, code and inputs.

Tables, checkpoints and figures say it themselves (`files.made_by_of`). For arrays, CSV and other
formats that cannot, and for folders, a record lies beside the first of them, with the sizes of all
outputs of the job, so that a half-copied result is not taken for whole.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mda.runtime import files, fingerprints
from mda.runtime.errors import UserError

# What a result must agree with to be current. Versions of packages and places of inputs are told, not
# judged: Snakemake does not judge versions either, and a project may be moved.
JUDGED = ("step", "code", "parameters", "inputs")

# Types of a step's arguments that are files or folders, as they are written.
PATHS = ("Path", "Path | None", "list[Path]")

# Arguments that change no result.
NOT_SCIENCE = ("resume", "save_seconds", "keep_every")

# Names of these say it; a PDF goes with a PNG.
TELLING = (".parquet", ".safetensors", ".png", ".pdf", ".html", ".json")
# For the `tokenizers` library, which has no place for more.
SILENT = "tokenizer.json"

Describe = Callable[[Path], Any]


def is_output(argument: str) -> bool:
    """Whether a step's argument is an output."""
    return argument == "out" or argument.startswith("out_")


def record_of(outputs: Sequence[Path]) -> Path | None:
    """Where the record of a job lies, if one of its outputs needs it."""
    silent = [path for path in outputs if path.suffix not in TELLING or path.name == SILENT]
    return silent[0].with_name(f"{silent[0].name}.made_by.json") if silent else None


def forget(outputs: Sequence[Path]) -> None:
    """Before a job writes: an old record would speak for new outputs if it were killed."""
    record = record_of(outputs)
    if record is not None:
        record.unlink(missing_ok=True)


def write(outputs: Sequence[Path]) -> None:
    """Write the record of a job that has made its outputs, if one of these needs it."""
    record = record_of(outputs)
    if record is not None:
        files.write_json(record, {"bytes": {path.name: _size(path) for path in outputs}})


def _size(path: Path) -> int | None:
    if not path.exists():
        return None
    return sum(file.stat().st_size for file in (files.members(path) if path.is_dir() else [path]))


def fault(command: str, outputs: Sequence[Path], describe: Describe = files.describe) -> str | None:
    """Why outputs that exist are not what a rule's shell command would make now; None if they are.

    Args:
        describe: `files.describe`, perhaps with a memory.

    Raises:
        UserError: when a package is missing that reads the outputs.
    """
    try:
        told = _told(outputs)
    except ImportError as error:
        raise UserError(
            f"{outputs[0]}: what made it cannot be read without {error.name}; install what "
            "envs/requirements.txt names where Snakemake runs"
        ) from error
    except Exception as error:  # every format has its own kinds
        return (str(error).splitlines() or [type(error).__name__])[0]
    if not told:
        return "does not say what made it"
    now = would_be(command, describe)
    for record in told:
        different = [key for key in JUDGED if record.get(key) != now[key]]
        if different:
            return f"differs in {_named(different, record, now)}"
    return None


def _told(outputs: Sequence[Path]) -> list[dict[str, Any]]:
    """What the outputs say of what made them.

    Raises:
        UserError: when one has not the size that it had.
    """
    told = [json.loads(text) for text in map(files.made_by_of, outputs) if text is not None]
    record = record_of(outputs)
    if record is not None and record.is_file():
        read = files.read_json(record)
        for path in outputs:
            if _size(path) != read["bytes"].get(path.name):
                raise UserError(f"{path} is not whole")
        told.append(read["made_by"])
    elif record is not None:
        raise UserError(f"{record} is missing")
    return told


def _named(keys: list[str], before: dict[str, Any], now: dict[str, Any]) -> str:
    names = []
    for key in keys:
        one, other = before.get(key), now[key]
        if isinstance(one, dict) and isinstance(other, dict):
            names += [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
        else:
            names.append(key)
    return ", ".join(names)


def would_be(command: str, describe: Describe = files.describe) -> dict[str, Any]:
    """What results of a rule's shell command would say of what made them, as far as it is judged.

    The step is read and not imported: that would take seconds for torch.
    """
    # shlex does not know that a line goes on after a backslash.
    words = shlex.split(command.replace("\\\n", " "))
    # `mda.steps.launch`, which starts some, is not in a stage's folder.
    start = next(index for index, word in enumerate(words) if re.fullmatch(r"mda\.steps\.\w+\.\w+", word))
    step = words[start].removeprefix("mda.steps.")
    kinds = signature(step)
    inputs: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    given = itertools.takewhile(lambda word: not word.startswith(">"), words[start + 1 :])
    for key, texts in _arguments(given, kinds).items():
        if is_output(key) or key in NOT_SCIENCE:
            continue
        if kinds[key] == "list[Path]" and texts:
            inputs[key] = [_described(text, describe) for text in texts]
        elif kinds[key] == "list[Path]":
            parameters[key] = []
        elif kinds[key] in PATHS:
            inputs[key] = _described(texts[0], describe)
        else:
            parameters[key] = texts[0] if kinds[key] == "str" else json.loads(texts[0])
    return {
        "step": step,
        "code": fingerprints.fingerprint(step),
        "parameters": parameters,
        "inputs": inputs,
    }


def _described(text: str, describe: Describe) -> Any:
    path = Path(text)
    return describe(path) if path.exists() else None


def signature(step: str) -> dict[str, str]:
    """The arguments of a step's function, which its last line names, with their types as written."""
    text = fingerprints.step_file(step).read_text(encoding="utf-8")
    [called] = re.findall(r"^    cli\.run\((\w+)\)$", text, re.MULTILINE)
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == called:
            return {arg.arg: ast.unparse(arg.annotation) for arg in node.args.args if arg.annotation}
    raise AssertionError(f"{step} has no function {called}")


def _arguments(words: Any, kinds: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    key = ""
    for word in words:
        name = word.removeprefix("--").replace("-", "_")
        if word.startswith("--") and name in kinds:
            key = name
            found[key] = []
        else:
            found[key].append(word)
    return found
