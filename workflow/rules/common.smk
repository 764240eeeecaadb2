# What the rules of several stages share: the checked configuration, how it becomes arguments, and what the
# names in paths stand for.
#
# A rule passes its step the settings that the step depends on, and the fingerprint of the step's code, as
# parameters. Snakemake runs it again when one of them, or an input, has changed.

import os
import re
import shlex
import sys
import time
from functools import cache, partial
from pathlib import Path

import pydantic_core

# Before the plan is made: jobs of a killed run may end while it is made.
BEGAN = time.time()

sys.path.insert(0, str(SOURCE / "workflow"))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import RerunTrigger
from snakemake_interface_executor_plugins.settings import ExecMode

from mda.config import probe_files
from mda.config.experiment import selections_of
from mda.config.trajectory_section import vectors_beside
from mda.config.unit_sections import BEST, probe_data
from mda.hub import pins
from mda.planning import design, plan, variants
from mda.planning.controls import CONTROLS
from mda.runtime import environment, external_files, fingerprints, restart
from mda.runtime.errors import UserError
from mda.snakemake import given, judgement, run_start
from mda.snakemake.rule_step import LISTED, ON_GPU, TRAINING, Step

CONFIG = given.configuration(workflow, config, SOURCE)

# What Snakemake's own report reads in captions.
config.update(CONFIG.model_dump(mode="json"))

# Where runs on SLURM are noted until they have finished.
SLURM_RUNS = Path(CONFIG.results) / "resume" / "slurm-runs"

judgement.install()
run_start.look_at_functions_once()
run_start.collect_seldom()


def decided():
    """Whether this is a job of a cluster that looks at no parameters: what runs has been decided."""
    return workflow.exec_mode == ExecMode.REMOTE and RerunTrigger.PARAMS not in workflow.rerun_triggers


Step = partial(Step, decided=decided)


pathvars:
    results=CONFIG.results,
    logs=f"{CONFIG.results}/logs",
    benchmarks=f"{CONFIG.results}/benchmarks",


# Every training run of the plan: those of the configured interventions, and those of the studies.
ALL_CELLS = [
    *design.cells(CONFIG),
    *design.study_cells(CONFIG),
    *design.subset_cells(CONFIG),
    *design.linearity_cells(CONFIG),
]
# Revisions of the hub's repository: those that the base run is compared with, and all that are downloaded.
MEASURED_REVISIONS = [] if CONFIG.model.remote is None else list(CONFIG.model.published.values())
PUBLISHED_REVISIONS = [] if CONFIG.model.remote is None else [CONFIG.model.revision, *MEASURED_REVISIONS]
if CONFIG.trace is not None:
    PUBLISHED_REVISIONS = CONFIG.trace.revisions


# `base`, the shuffled window alone, or {kind}/{selection}/top-{percent}.
BRANCHES = sorted({design.branch(cell) for cell in ALL_CELLS})


wildcard_constraints:
    # The folder of a variant of the attribution; none for the configured one.
    place="(variants/[^/]+/)?",
    part=r"\d+",
    shard=r"\d+",
    selection="(random|subset|matched-.+|trajectory-[^/]+)/draw-[0-9]+|loss|repetition|bigram|compressibility|own"
    "|(influence|identity|diagonal|kfac|gradient_norm|bm25|outside|history|at[0-9]+|checkpoints)-[^/]+",
    percent=r"[\d.]+",
    branch="|".join(BRANCHES),
    seed=r"\d+",
    target="|".join(target.name for target in CONFIG.targets),
    revision="|".join(map(re.escape, PUBLISHED_REVISIONS)) or "none",


def as_json(part):
    """A part of the configuration as a step's argument: one line of JSON."""
    # What looks like a wildcard, {name} in a string, would be taken for one.
    return re.sub(r"\{(?=\s*\w+\s*[,}])", r"\\u007b", pydantic_core.to_json(part).decode())


def beside(name):
    """A file of the workflow, by its place relative to the working folder: both may be moved together."""
    return os.path.relpath(SOURCE / name)


def content_of(paths):
    """A parameter: a hash of files that no job makes, which are no inputs (see mda.runtime.external_files)."""

    def found(wildcards):
        try:
            return external_files.content(map(Path, paths))
        except UserError as error:
            # The step says it in one sentence, Snakemake with a traceback.
            return str(error)

    return found


def content_of_corpus(wildcards):
    """A parameter: the content of the local files of the corpus."""
    # Here, for each job of a cluster reads this file, and one needs this.
    from mda.corpus import sources

    return sources.fingerprint(CONFIG.corpus)


# The probes that runs watch.
WATCHED_PROBES = CONFIG.probes_of(CONFIG.watched)
# The code that they run; see mda.training.watched_probes.
WATCHED_CODE = probe_files.every(WATCHED_PROBES)
if WATCHED_PROBES:
    WATCHED_CODE += (str(fingerprints.PACKAGE / "attribution" / "questions.py"),)


def pin_of(kind, repository, revision):
    """What workflow/pins.csv has of a hub revision; None when it has nothing."""
    try:
        return pins.find(kind, repository, revision)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def pinned(kind, repository, revision, names=None):
    """That pin as a step's argument, with only the files `names`, or only those of a checkpoint.

    A change of the other files then reruns nothing.
    """
    pin = pin_of(kind, repository, revision)
    if pin is not None:
        kept = [
            file
            for file in pin.files
            if (pins.of_checkpoint(file.name) if names is None else file.name in names)
        ]
        pin = pin.model_copy(update={"files": tuple(kept)})
    return as_json(pin)


def scores_of(method, target):
    """The table of scores of a method: influence by some curvature, the loss, a control, or the mean over orders."""
    if method == "history":
        return "<results>/trajectory/mean.parquet"
    if method in CONTROLS:
        return f"<results>/scores/controls/{method if target is None else f'{method}-{target}'}.parquet"
    return f"<results>/{variants.place(design.variant_of(CONFIG, method, target))}scores/scores.parquet"


def target_of_selection(wildcards):
    """The target that a selection is made for."""
    name = design.Selection.parse(wildcards.selection).target
    return next(target for target in CONFIG.targets if target.name == name)


def part_of_branch(kinds, path):
    """An input function: `path` with the branch's selection as {place}, for branches of these kinds."""

    def paths(wildcards):
        kind = wildcards.branch.partition("/")[0]
        place = design.place_of_selection(wildcards.branch, wildcards.seed)
        return [path.format(place=place)] if kind in kinds else []

    return paths


def of_runs(cells, name):
    """One file of every run."""
    return [f"<results>/runs/{design.branch(cell)}/seed-{cell.seed}/{name}" for cell in cells]


def changes_of_branch(wildcards):
    """What a branch changes in the order of its seed; nothing of the branch without an intervention."""
    if wildcards.branch == "base":
        return []
    return [f"<results>/schedules/branches/{wildcards.branch}/seed-{wildcards.seed}.parquet"]


# The new samples of branches that insert some.
synthetic_of_branch = part_of_branch(["augment"], "<results>/synthetic/{place}.npy")
