"""The command line of a step, made from the signature of its function.

    python -m mda.steps.tokens --documents FILE --context 32 ...

A `Path` is an input or an output; everything else is JSON, checked by pydantic against the
annotation. Parameters whose name begins with `out` are outputs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import inspect
import itertools
import json
import logging
import os
import re
import shlex
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import mda
from mda import code, files, usage
from mda.errors import UserError, printable

log = logging.getLogger(__name__)

# Packages whose version can change a result.
RECORDED = (
    "torch",
    "transformers",
    "tokenizers",
    "kronfluence",
    "datasets",
    "numpy",
    "scipy",
    "pandas",
)

# Arguments that change no result.
NOT_SCIENCE = ("resume", "save_seconds")


def run(step: Callable[..., None], arguments: list[str] | None = None) -> None:
    """Run a step from the command line.

    A `UserError`, an error of the system, or a full GPU is one sentence and exit status 1.
    """
    # Of several processes that train together, the first reports.
    level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler])
    name = Path(inspect.getfile(step)).stem
    try:
        values = _parse(step, name, arguments)
        files.set_made_by(_record(step, name, values))
        if files.take_up(_outputs(values)):
            log.info("taken from a job of an earlier run that has been finished meanwhile")
        else:
            step(**values)
        used = usage.gpu_memory()
        if used is not None:
            log.info(used)
    except UserError as error:
        print(f"error in step '{name}': {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error in step '{name}': {printable(f'{place}{error.strerror or error}')}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if not _is_full_gpu(error):
            raise
        print(
            f"error in step '{name}': out of GPU memory; lower attribution.fit.batch_size, "
            "or set numerics.attention to sdpa",
            file=sys.stderr,
        )
        sys.exit(1)


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _outputs(values: dict[str, Any]) -> list[Path]:
    named = [value for key, value in values.items() if key.startswith("out")]
    return [path for value in named for path in (value if isinstance(value, list) else [value])]


def would_be_made_by(command: str) -> str:
    """What the results of a rule's shell command would say of what made them, as `files.made_by`."""
    # shlex does not know that a line goes on after a backslash.
    words = shlex.split(command.replace("\\\n", " "))
    start = next(index for index, word in enumerate(words) if word.startswith("mda.steps."))
    module = importlib.import_module(words[start])
    # As its last line says.
    [called] = re.findall(r"^    cli\.run\((\w+)\)$", inspect.getsource(module), re.MULTILINE)
    step = getattr(module, called)
    arguments = list(itertools.takewhile(lambda word: not word.startswith(">"), words[start + 1 :]))
    name = words[start].rpartition(".")[2]
    return json.dumps(_record(step, name, _parse(step, name, arguments)), sort_keys=True)


def _is_full_gpu(error: Exception) -> bool:
    # By name: many a step does without torch, which is slow to import.
    return any(
        kind.__name__ == "OutOfMemoryError" and kind.__module__.split(".")[0] == "torch"
        for kind in type(error).__mro__
    )


def _parse(step: Callable[..., None], name: str, arguments: list[str] | None) -> dict[str, Any]:
    hints = typing.get_type_hints(step)
    parser = argparse.ArgumentParser(prog=f"python -m mda.steps.{name}", description=inspect.getdoc(step))
    signature = inspect.signature(step)
    for key, parameter in signature.parameters.items():
        optional = parameter.default is not inspect.Parameter.empty
        many = hints[key] == list[Path]
        parser.add_argument(f"--{key.replace('_', '-')}", required=not optional, nargs="*" if many else None)
    given = vars(parser.parse_args(arguments))
    return {key: _value(key, text, hints[key]) for key, text in given.items() if text is not None}


def _value(key: str, text: Any, hint: Any) -> Any:
    if hint == list[Path]:
        return [Path(part) for part in text]
    if hint is Path or hint == (Path | None):
        return Path(text)
    if hint is str:
        return text
    try:
        return TypeAdapter(hint).validate_json(text)
    except ValidationError as error:
        raise UserError(f"--{key}: {error.errors()[0]['msg']} (got {text!r})") from None


def _record(step: Callable[..., None], name: str, values: dict[str, Any]) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for key, value in values.items():
        if key.startswith("out") or key in NOT_SCIENCE:
            continue
        if isinstance(value, Path):
            inputs[key] = files.describe(value) if value.exists() else None
        elif isinstance(value, list) and value and isinstance(value[0], Path):
            inputs[key] = [files.describe(path) for path in value]
        else:
            parameters[key] = json.loads(TypeAdapter(Any).dump_json(value))
    return {
        "step": name,
        "mda": mda.__version__,
        "code": code.fingerprint(name),
        "parameters": parameters,
        "inputs": inputs,
        "packages": {package: importlib.metadata.version(package) for package in RECORDED},
    }
