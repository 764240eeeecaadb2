# What all rules share: the checked configuration, code fingerprints, and the steps' environment.
#
# Every rule passes the settings that it depends on, and the fingerprint of the code that it
# runs, as parameters; Snakemake reruns it when one of them, or an input, changes.

import sys
from pathlib import Path

import pydantic_core

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from snakemake.exceptions import WorkflowError

from mda import code, design
from mda import config as settings
from mda.errors import UserError

try:
    CONFIG = settings.check(config)
except UserError as error:
    raise WorkflowError(str(error)) from None


pathvars:
    results=CONFIG.results,
    logs=f"{CONFIG.results}/logs",
    benchmarks=f"{CONFIG.results}/benchmarks",


# Steps import the package from here. Without conda or a container they run in the very Python
# that runs Snakemake, whether or not its environment is activated.
STEP_ENVIRONMENT = f"export PYTHONPATH={str(Path(workflow.basedir) / 'workflow')!r}; "
if not workflow.deployment_settings.deployment_method:
    STEP_ENVIRONMENT += f"export PATH={str(Path(sys.executable).parent)!r}:$PATH; "
shell.prefix(f"set -euo pipefail; {STEP_ENVIRONMENT}")


wildcard_constraints:
    selection="|".join(sorted({cell.selection for cell in design.cells(CONFIG)} - {"none"})),
    percent=r"[\d.]+",
    seed=r"\d+",
    shard=r"\d+",
    kind="base|mask|replace|duplicate|augment",
    target="|".join(target.name for target in CONFIG.targets),


def as_json(part):
    """A part of the configuration as a step's argument: one line of JSON."""
    return pydantic_core.to_json(part).decode()


def torch_memory(wildcards, attempt):
    """Memory of a step that loads a model, in MB; more on every retry."""
    return 3000 * attempt


def table_memory(wildcards, attempt):
    """Memory of a step that reads tables, in MB; more on every retry."""
    return 1000 * attempt
