"""Say what an experiment takes before it starts: retrainings, tokens, disk, and GPU-hours.

The numbers follow from the configuration alone; nothing is run or downloaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mda.config.merged import configuration
from mda.planning import cost

EXAMPLES = """\
examples:
  mda cost experiments/pythia-14m.yaml
  mda cost experiments/pythia-14m.yaml --tokens-per-second 900000     # the rate, from `mda bench throughput`
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        "experiment",
        nargs="*",
        type=Path,
        help="files of changes to config.yaml, in order; without any it is config.yaml itself",
    )
    parser.add_argument(
        "--tokens-per-second",
        type=float,
        metavar="RATE",
        help="tokens that one GPU trains on in a second (`mda bench throughput`); gives the GPU-hours",
    )


def main(given: argparse.Namespace) -> int:
    """Print the cost; returns the exit status."""
    found = cost.of(configuration(given.experiment))
    print(cost.summary(found))
    if given.tokens_per_second:
        hours = found.tokens / given.tokens_per_second / 3600
        print(f"at {given.tokens_per_second:,.0f} tokens/s: {hours:.1f} GPU-hours")
    return 0
