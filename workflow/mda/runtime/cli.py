"""The command line of a step, made from the signature of its function.

    python -m mda.steps.corpus.tokens --documents FILE --context 32 ...

A `Path` is an input or an output; everything else is JSON, checked by pydantic against the
annotation. `out` and parameters whose name begins with `out_` are outputs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import json
import logging
import os
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import mda
from mda.runtime import files, fingerprints, provenance, usage
from mda.runtime.errors import UserError, printable

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
    "pyarrow",
    "duckdb",
)


def run(step: Callable[..., None], arguments: list[str] | None = None) -> None:
    """Run a step from the command line.

    A `UserError`, an error of the system, or a full GPU is one sentence and exit status 1.
    """
    # Of several processes that train together, the first reports.
    level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler])
    name = _name(step)
    try:
        values = _parse(step, name, arguments)
        files.set_made_by(_record(step, name, values))
        outputs = _outputs(values)
        # Of several processes that train together, the first writes; they take up together.
        first = os.environ.get("RANK", "0") == "0"
        if first:
            provenance.forget(outputs)
        if os.environ.get("WORLD_SIZE", "1") == "1" and files.take_up(outputs):
            log.info("taken from a job of an earlier run that has been finished meanwhile")
        else:
            step(**values)
        if first:
            provenance.write(outputs)
        for used in (usage.memory(), usage.gpu_memory()):
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


def _name(step: Callable[..., None]) -> str:
    """The step's module below `mda.steps`; of a function from elsewhere, its file's name."""
    file, steps = Path(inspect.getfile(step)).resolve(), fingerprints.PACKAGE.resolve() / "steps"
    inside = file.is_relative_to(steps)
    return ".".join(file.relative_to(steps).with_suffix("").parts) if inside else file.stem


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _outputs(values: dict[str, Any]) -> list[Path]:
    named = [value for key, value in values.items() if provenance.is_output(key)]
    return [path for value in named for path in (value if isinstance(value, list) else [value])]


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
    places: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for key, value in values.items():
        if provenance.is_output(key) or key in provenance.NOT_SCIENCE:
            continue
        if isinstance(value, Path):
            inputs[key] = files.describe(value) if value.exists() else None
            places[key] = str(value)
        elif isinstance(value, list) and value and isinstance(value[0], Path):
            inputs[key] = [files.describe(path) for path in value]
            places[key] = [str(path) for path in value]
        else:
            parameters[key] = json.loads(TypeAdapter(Any).dump_json(value))
    return {
        "step": name,
        "mda": mda.__version__,
        "code": fingerprints.fingerprint(name),
        "parameters": parameters,
        "inputs": inputs,
        "places": places,
        "packages": {package: importlib.metadata.version(package) for package in RECORDED},
    }
