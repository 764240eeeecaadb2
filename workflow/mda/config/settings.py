"""Merge the config files and the `--config` arguments of a command line, strictly.

Snakemake reads the same files by itself, less strictly, and keeps of an option that is given twice the last
alone. Nothing here needs more than PyYAML.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mda.config import strict_yaml
from mda.runtime import gpus
from mda.runtime.errors import UserError

# Options of Snakemake of which only the last counts, with what each is called in a profile.
ONCE = {
    "--configfile": "configfile",
    "--configfiles": "configfile",
    "--config": "config",
    "-C": "config",
    "--set-resources": "set-resources",
    "--set-threads": "set-threads",
    "--default-resources": "default-resources",
    "--default-res": "default-resources",
    "--resources": "resources",
    "--res": "resources",
    "--directory": "directory",
    "-d": "directory",
    "--snakefile": "snakefile",
    "-s": "snakefile",
}
# Those whose values are settings of the science.
SETTINGS = ("configfile", "config")


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over`, mapping by mapping, as Snakemake merges; anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict):
            own = merged.get(key)
            value = merge(own if isinstance(own, dict) else {}, value)
        merged[key] = value
    return merged


def read(paths: Iterable[Path], arguments: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of some files, each over those before it, and of `--config` over them all.

    Args:
        arguments: what `--config` was given, KEY=VALUE each, with the value in YAML.

    Raises:
        UserError: when a file or an argument cannot be read, or could be read in two ways.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = merge(merged, strict_yaml.read(path))
    return merge(merged, of_arguments(arguments))


def of_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """The settings that `--config` was given.

    Raises:
        UserError: when one is not KEY=VALUE, has a value that is not YAML, or is given twice.
    """
    found: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not re.fullmatch(r"[a-zA-Z_][\w-]*\w", key):
            raise UserError(f"--config {argument}: is not KEY=VALUE; write for example experiment=mine")
        value = strict_yaml.parse(text, f"--config {key}")
        if value is None and text.strip() not in ("", "~", "null"):
            raise UserError(f"--config {key}: {text} is a comment in YAML; put it in quotes")
        if key in found and not (isinstance(value, dict) and isinstance(found[key], dict)):
            raise UserError(f"--config {key}: is given twice, and only one can count; keep one")
        found = merge(found, {key: value})
    return found


def options(words: Sequence[str]) -> dict[str, list[str]]:
    """The options of a Snakemake command line that count once, by their name in a profile, with their values.

    Raises:
        UserError: when one is given twice, for Snakemake would keep the last alone.
    """
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for word in words:
        if word == "--":
            break
        if not re.match(r"-[a-zA-Z-]", word):
            values.append(word)
            continue
        name, equals, value = word.partition("=")
        key = ONCE.get(name)
        if key is None and re.match(r"-[Cds]\S", word):
            key, equals, value = ONCE[word[:2]], "=", word[2:].removeprefix("=")
        values = [value] if equals else []
        if key is None:
            continue
        if key in found:
            remedy = "give all its values after one" if key not in ("directory", "snakefile") else "give one"
            raise UserError(f"{name}: is given twice, and Snakemake would forget the first; {remedy}")
        found[key] = values
    return found


def profiles(words: Sequence[str]) -> list[str]:
    """The profiles that a Snakemake command line names, or the environment."""
    found = [word.partition("=")[2] for word in words if word.startswith("--profile=")]
    found += [name for word, name in itertools.pairwise(words) if word == "--profile"]
    return found or os.environ.get("SNAKEMAKE_PROFILE", "").split()


def check_command_line(words: Sequence[str]) -> None:
    """Read what a Snakemake command line names, for Snakemake itself has a traceback for many a mistake.

    Raises:
        UserError: for an option given twice, and a settings file or value that cannot be read.
    """
    given = options(words)
    for path in given.get("configfile", []):
        if not Path(path).exists() and Path(path).suffix not in (".yaml", ".yml", ".json"):
            raise UserError(
                f"{path}: --configfile takes every word after it, and there is no such file; if it is a "
                "goal, put it before --configfile"
            )
        if not strict_yaml.read(Path(path)):
            raise UserError(f"{path}: is empty, which Snakemake refuses; leave it out, or write a key")
    read(map(Path, given.get("configfile", [])), given.get("config", []))


def stop_if_wrong(words: Sequence[str]) -> None:
    """End Snakemake with one sentence where settings are refused; for the profiles."""
    _stop_if_wrong(tuple(words))


# A profile may be read again, from another folder, where a relative path is none of the command line's.
@functools.cache
def _stop_if_wrong(words: tuple[str, ...]) -> None:
    try:
        gpus.jobs_per_gpu()
        check_command_line(words)
    except UserError as error:
        sys.exit(f"error: {error}")


def check_profile(path: Path, given: dict[str, list[str]]) -> None:
    """Refuse what a profile, which is YAML too, loses; `given` is of the command line, from `options`.

    Raises:
        UserError: when a key is there twice, or the profile's settings are lost to those of the command line.
    """
    for key in strict_yaml.read(path):
        if key in SETTINGS and key in given:
            raise UserError(
                f"{path}: sets '{key}', which --{key} on the command line replaces as a whole; take it out "
                "of the profile, and name all of it on the command line"
            )
