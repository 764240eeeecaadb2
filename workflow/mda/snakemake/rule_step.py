"""How a rule runs a step: its command line, and the fingerprint of its code.

    TOKENS = Step("corpus.tokens")

    rule tokens:
        input: documents=..., tokenizer=...
        output: train=..., train_rows=...
        params: context=..., code=TOKENS.code
        shell: TOKENS.command()

The command is made from the arguments of the step's function, so a rule names each of them once: in `input`,
`output` or `params`. It is plain text for Snakemake's formatter, as if it stood in the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from mda.runtime import fingerprints, provenance

# How a command starts.
PYTHON = "python -m"
# With the GPUs that the rule asks for.
ON_GPU = "python -m mda.steps.launch {resources.gpu}"
# In place of the shell, so that a signal to the job reaches the training, which then saves.
TRAINING = f"exec {ON_GPU}"
# With the arguments by standard input, where lists among them grow with the number of runs.
LISTED = "python -m mda.steps.listed"
# The line that ends them.
END = "ARGUMENTS"

# Makes the model and calls the users' probes once, so that a mistake shows before what takes long.
CHECKS = "python -m mda.attribution.checks >{log:q} 2>&1"

# Arguments that do not follow the names: a resource, and a path that is no input.
ELSEWHERE = {
    "save_seconds": "{resources.save_seconds:q}",
    "keep_every": "{resources.keep_every:q}",
    "resume": "{params.resume:q}",
}


@dataclass(frozen=True)
class Step:
    """A function in `mda.steps` that a rule runs.

    Args:
        name: its module below `mda.steps`, as `corpus.tokens`.
        probes: the users' own Python files that it runs as well.
        decided: whether nothing depends on the fingerprint any more.
    """

    name: str
    probes: tuple[str, ...] = ()
    decided: Callable[[], bool] = lambda: False

    def code(self, wildcards: Any) -> str:
        """A parameter: the fingerprint of the code that runs, so that a change of it reruns the rule.

        It is found when a job is planned, for each job of a cluster reads all rules; and not in such a job,
        where it would take longer than all else that is read of the rule.
        """
        del wildcards
        return "" if self.decided() else _fingerprint(self.name, self.probes)

    def command(self, start: str = PYTHON, /, *, check_first: bool = False, **given: str) -> str:
        """The text of a rule's `shell`, one argument for each line.

        An argument that is a path gets the rule's input of the same name, any other the parameter of the
        same name. `out_x` gets the output `x`. `out` gets all outputs, if it is the step's only output.

        Args:
            start: `PYTHON`, `ON_GPU`, `TRAINING` or `LISTED`.
            check_first: whether the model and the users' probes are checked before the step.
            given: other values of arguments, as in `part="{wildcards.part:q}"`.

        Raises:
            ValueError: when the step has not an argument that is given.
        """
        kinds = provenance.signature(self.name)
        unknown = given.keys() - kinds.keys()
        if unknown:
            raise ValueError(f"the step {self.name} has no argument {', '.join(sorted(unknown))}")
        outputs = [name for name in kinds if provenance.is_output(name)]
        values = {name: _value(name, kind) for name, kind in kinds.items()}
        if outputs == ["out"]:
            values["out"] = "{output:q}"
        values |= given
        arguments = [f"--{name.replace('_', '-')} {value}" for name, value in values.items()]
        log = f"{'>>' if check_first else '>'}{{log:q}} 2>&1"
        if start == LISTED:
            step = "\n".join([f"{start} mda.steps.{self.name} {log} <<'{END}'", *arguments, END])
        else:
            step = " \\\n    ".join([f"{start} mda.steps.{self.name}", *arguments, log])
        return f"{CHECKS}\n{step}" if check_first else step


# Snakemake asks for it for each job.
_fingerprint = cache(fingerprints.fingerprint)


def plain(command: str) -> str:
    """A command that Snakemake has filled in, with the arguments before the log also where it is `LISTED`."""
    first, heredoc, rest = command.partition(f" <<'{END}'\n")
    if not heredoc:
        return command
    before, newline, line = first.rpartition("\n")
    step, log, where = line.partition(" >")
    arguments = rest.rpartition(f"\n{END}")[0]
    return f"{before}{newline}{step} {arguments}{log}{where}"


def _value(name: str, kind: str) -> str:
    """What Snakemake fills in for a step's argument, by its name and type."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    if provenance.is_output(name):
        return f"{{output.{name.removeprefix('out_')}:q}}"
    return f"{{{'input' if kind in provenance.PATHS else 'params'}.{name}:q}}"
