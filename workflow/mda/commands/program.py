"""The command line of `mda`: which verbs there are, and what each takes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol

import mda
from mda.runtime.errors import UserError, printable

DESCRIPTION = """\
Mechanistic data attribution: which training samples made this part of a model?

The workflow is a plan of jobs: it makes what is missing, and what your changes made stale. These
commands run it, watch it, and explain what it has made. `mda VERB --help` has the options of a verb.
"""

EXAMPLES = """\
examples:
  mda run                                        the default experiment, from text to results/report.html
  mda run -n                                     only say what would run
  mda run --configfile experiments/mine.yaml     another experiment: changes to config.yaml
  mda status                                     what is done, at work and left; also during a run
  mda provenance results/tables/effects.csv      what made this file, and from which inputs
  mda columns results/scores/scores.parquet      what its columns mean

how to call it:
  after `make install`, as .venv/bin/mda; in any other environment (conda, a container) as
  `python workflow/mda VERB`. Both work from every folder. Results go to the folder that you are in.
"""

# In the order in which a newcomer needs them, each with its line in `mda --help`.
VERBS = {
    "run": "run the workflow on this machine and print the main numbers",
    "status": "say what the last run has done, is doing and has left",
    "summary": "print the main numbers of finished results",
    "browse": "serve the pages of finished results, to look at them from another machine",
    "cost": "say what an experiment takes before it starts",
    "pin": "note commits and hashes of what an experiment takes from the hub",
    "bench": "measure where time and memory go on this machine",
    "provenance": "say what made a file and from which inputs, back to the corpus",
    "columns": "say what the columns of a result table mean",
    "stream": "write all that a branch trains on, sample by sample",
}


class Verb(Protocol):
    """A module of this folder. Its docstring is the text of `mda VERB --help`."""

    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the verb takes."""

    def main(self, given: argparse.Namespace) -> int:
        """Do it; returns the exit status."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Wide enough for the examples, whose lines stay."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=105)


def main(arguments: Sequence[str]) -> int:
    """Run a verb; returns the exit status.

    A `UserError` is one sentence and status 1; a wrong command line is status 2.
    """
    if not arguments or arguments[0] not in VERBS:
        return overview(arguments)
    name, rest = arguments[0], arguments[1:]
    # Only this one: others need torch, or pandas.
    verb = load(name)
    try:
        return verb.main(parse(name, verb, rest))
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has had enough.
        sys.stderr.close()
        return 1


def load(name: str) -> Verb:
    """The module of a verb."""
    return importlib.import_module(f"mda.commands.{name}")


def overview(arguments: Sequence[str]) -> int:
    """What `mda` says where no verb is named: its help, its version, or what is wrong."""
    lines = "".join(f"  {name:12}{line}\n" for name, line in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="mda",
        usage="mda VERB [options]",
        description=f"{DESCRIPTION}\nverbs:\n{lines}",
        epilog=EXAMPLES,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mda {mda.__version__}")
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.verb is not None:
        parser.error(f"no verb '{given.verb}'; choose from {', '.join(VERBS)}")
    parser.print_help()
    return 0 if arguments else 2


def parse(name: str, verb: Verb, arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line of a verb says.

    A verb that has `PASSES_ON` gets what it does not know itself as `others`.
    """
    parser = argparse.ArgumentParser(
        prog=f"mda {name}",
        description=verb.__doc__,
        epilog=verb.EXAMPLES,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    verb.add_arguments(parser)
    if not getattr(verb, "PASSES_ON", False):
        return parser.parse_args(arguments)
    given, others = parser.parse_known_args(arguments)
    given.others = others
    return given
