"""Run a step whose arguments come by standard input, as a shell would read them.

    python -m mda.steps.listed mda.steps.evidence.curves <<'ARGUMENTS'
    --cells '[...]'
    ARGUMENTS

For steps whose lists grow with the number of runs: the system limits one argument of a program to 128 KiB,
and all of them to some 2 MiB.
"""

from __future__ import annotations

import re
import runpy
import sys

# Of a word as `shlex.quote` writes it. `shlex.split` takes a minute for a list of ten thousand runs.
PART = r"""[^\s'"]+|'[^']*'|"[^"]*\""""


def words(text: str) -> list[str]:
    """The words of a text, where they are quoted as `shlex.quote` does."""
    return [
        "".join(part if part[0] not in "'\"" else part[1:-1] for part in re.findall(PART, word))
        for word in re.findall(f"(?:{PART})+", text)
    ]


def main(module: str) -> None:
    """Run `module` with these arguments."""
    sys.argv = [module, *words(sys.stdin.read())]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
