"""Say what an experiment takes before it starts: `make cost EXPERIMENT=experiments/pythia-14m.yaml`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mda.planning import cost
from mda.runtime.errors import UserError
from merged import configuration


def main(arguments: list[str]) -> int:
    """Print the cost; returns the exit status."""
    parser = argparse.ArgumentParser(prog="cost.py", description=__doc__)
    parser.add_argument("experiment", nargs="*", type=Path, help="overlays of config.yaml, in order")
    parser.add_argument("--tokens-per-second", type=float, help="of one GPU, as benchmark.py measures it")
    given = parser.parse_args(arguments)
    try:
        found = cost.of(configuration(given.experiment))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(cost.summary(found))
    if given.tokens_per_second:
        hours = found.tokens / given.tokens_per_second / 3600
        print(f"at {given.tokens_per_second:,.0f} tokens/s: {hours:.1f} GPU-hours")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
