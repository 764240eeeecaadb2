"""The command `mda`: `python -m mda`, or `python workflow/mda` from anywhere and in any environment."""

import sys
from pathlib import Path

if not __package__:
    # Started by its folder, which Python then puts first: modules are named from the folder above it.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from mda.commands import program

if __name__ == "__main__":
    sys.exit(program.main(sys.argv[1:]))
