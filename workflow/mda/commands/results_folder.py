"""The argument of the verbs that read finished results."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Declare `results`, the folder of an experiment's results."""
    parser.add_argument(
        "results",
        nargs="?",
        type=Path,
        default=Path("results"),
        help="folder of an experiment's results; results, that of the default experiment, without",
    )
