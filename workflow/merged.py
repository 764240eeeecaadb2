"""The configuration of an experiment, for the programs beside the workflow."""

from __future__ import annotations

from pathlib import Path

import yaml
from snakemake.utils import update_config

from mda.config import Config, check
from mda.errors import UserError


def configuration(paths: list[Path]) -> Config:
    """The checked configuration of some files, merged as Snakemake does.

    Raises:
        UserError: when a file cannot be read, or the configuration is wrong.
    """
    merged: dict = {}
    for path in paths:
        try:
            overlay = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None
        if not isinstance(overlay, dict):
            raise UserError(f"{path}: is no mapping of keys to values; mend it")
        update_config(merged, overlay)
    return check(merged)
