"""Load the checked configuration of an experiment without Snakemake (for `mda cost`, `mda pin`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mda.config import settings
from mda.config.consistency import check
from mda.config.experiment import Config

DEFAULT = Path(__file__).parents[3] / "config.yaml"


def configuration(overlays: Sequence[Path], arguments: Sequence[str] = ()) -> Config:
    """The checked configuration of config.yaml, overlays in their order, and `--config`'s arguments.

    Raises:
        UserError: when a file cannot be read, or the configuration is wrong.
    """
    return check(settings.read([DEFAULT, *overlays], arguments))
