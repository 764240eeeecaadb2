# What all rules share: the checked configuration, code fingerprints, and the steps' environment.
#
# Every rule passes the settings that it depends on, and the fingerprint of the code that it
# runs, as parameters; Snakemake reruns it when one of them, or an input, changes.

import os
import re
import shlex
import sys
import time
from pathlib import Path

import pydantic_core

# Before the plan is made: jobs of a killed run may end while it is.
BEGAN = time.time()

sys.path.insert(0, str(SOURCE / "workflow"))

from snakemake.cli import get_profile_dir
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

import judgement
from mda.config import settings
from mda.corpus import sources
from mda.hub import pins
from mda.interventions import selection
from mda.planning import design, plan, variants
from mda.runtime import environment, external_files, fingerprints, restart
from mda.config.experiment import check as check_configuration
from mda.config.experiment import selections_of
from mda.runtime.errors import UserError


def given_settings():
    """The settings: config.yaml, then --configfile, then --config; or what another workflow hands to this one.

    Snakemake has read the same files, and loses in silence what is there twice.
    """
    default, asked = SOURCE / "config.yaml", workflow.config_settings
    if workflow.modifier.skip_configfile:
        return settings.merge(settings.read([default]), config)
    if workflow.exec_mode == ExecMode.DEFAULT:
        check_options()
    files = [] if asked.replace_workflow_config else [default]
    workflow.configfiles.extend(map(str, files))
    return settings.read([*files, *asked.configfiles], asked.config_args or [])


def check_options():
    """Refuse what Snakemake's command line and profiles would lose."""
    given = settings.options(sys.argv[1:])
    for name in settings.profiles(sys.argv[1:]):
        # Named from the folder that Snakemake was started in, before --directory.
        found = get_profile_dir(os.path.join(os.environ.get("PWD", ""), name)) or get_profile_dir(name)
        if found is not None:
            settings.check_profile(found[1], given)
    own = Path("config.yaml").absolute()
    read = [SOURCE / "config.yaml", *workflow.config_settings.configfiles]
    # Of another workflow that uses this one as a module, it is that one's own.
    main = workflow.modifier.is_main_snakefile()
    if main and own.exists() and not any(path.exists() and own.samefile(path) for path in read):
        raise UserError(f"{own}: is not read, for config.yaml is that of {SOURCE}; name it with --configfile")


try:
    CONFIG = check_configuration(given_settings())
except UserError as error:
    raise WorkflowError(str(error)) from None

# What Snakemake's own report reads in captions.
config.update(CONFIG.model_dump(mode="json"))

# Every job reads this file again.
if workflow.exec_mode == ExecMode.DEFAULT:
    try:
        for sentence in plan.warnings(CONFIG):
            logger.warning(f"configuration: {sentence}.")
    except UserError as error:
        raise WorkflowError(str(error)) from None


judgement.install()


pathvars:
    results=CONFIG.results,
    logs=f"{CONFIG.results}/logs",
    benchmarks=f"{CONFIG.results}/benchmarks",


def as_json(part):
    """A part of the configuration as a step's argument: one line of JSON."""
    # What looks like a wildcard, {name} in a string, would be taken for one.
    return re.sub(r"\{(?=\s*\w+\s*[,}])", r"\\u007b", pydantic_core.to_json(part).decode())


def beside(name):
    """A file of the workflow, by its place relative to the working folder: both may be moved together."""
    return os.path.relpath(SOURCE / name)


# Steps import the package from here. Without conda or a container they run in the very Python
# that runs Snakemake, whether or not its environment is activated.
STEP_ENVIRONMENT = environment.of_steps(
    SOURCE / "workflow",
    None if workflow.deployment_settings.deployment_method else Path(sys.executable).parent,
    # A prefix is of all rules, those of a workflow that uses this one as a module among them.
    shared=not workflow.modifier.is_main_snakefile(),
)
if workflow.modifier.is_main_snakefile():
    # What a step that takes long has checked before: no parameter, for it changes no result of the step.
    asked_first = pydantic_core.to_json(plan.asked_first(CONFIG)).decode()
    STEP_ENVIRONMENT += f"export MDA_CHECK={shlex.quote(asked_first)}; "
# A folder's name may have braces, as JSON has; shell.prefix would look for variables in them.
shell.prefix(f"set -euo pipefail; {STEP_ENVIRONMENT}".replace("{", "{{").replace("}", "}}"))


wildcard_constraints:
    selection="(random|subset|matched-.+)/draw-[0-9]+|loss|repetition"
    "|(influence|identity|diagonal|kfac|gradient_norm|bm25|outside)-[^/]+",
    percent=r"[\d.]+",
    seed=r"\d+",
    shard=r"\d+",
    target="|".join(target.name for target in CONFIG.targets),


def fingerprint(step, probes=()):
    """The code that a step runs; found when a job is planned, for each job of a cluster reads all rules."""
    return lambda wildcards: fingerprints.fingerprint(step, probes)


def pin_of(kind, repository, revision):
    """What workflow/pins.csv has of a hub revision; None when it has nothing."""
    try:
        return pins.find(kind, repository, revision)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def pinned(kind, repository, revision, names=None):
    """The same as a step's argument: of these files, or of a checkpoint's, so that others rerun nothing."""
    pin = pin_of(kind, repository, revision)
    if pin is not None:
        kept = [
            file
            for file in pin.files
            if (pins.of_checkpoint(file.name) if names is None else file.name in names)
        ]
        pin = pin.model_copy(update={"files": tuple(kept)})
    return as_json(pin)


def checkpoint_bytes():
    """Size of the weights that training starts from, where they exist before: pinned or in a folder."""
    if CONFIG.model.local is not None:
        return sum(path.stat().st_size for path in CONFIG.model.local.glob("*.safetensors"))
    pin = pin_of("model", CONFIG.model.remote or "", CONFIG.model.revision or "")
    return sum(file.bytes for file in pin.files) if pin is not None else 0


# torch's own libraries, and the weights, moments and gradients while they are read and written.
TORCH_MEMORY = 3000 + 8 * checkpoint_bytes() // 10**6


def torch_memory(wildcards, attempt):
    """Memory of a step that loads a model, in MB; more on every retry."""
    return TORCH_MEMORY * attempt


# Python's libraries, and 2 kB a training sample: a step that selects among 200,000 took 1.2 GB.
TABLE_MEMORY = 1000 + 2 * CONFIG.run.steps * CONFIG.run.batch_size // 1000


def table_memory(wildcards, attempt):
    """Memory of a step that reads tables, in MB; more on every retry."""
    return TABLE_MEMORY * attempt


def checked_memory(wildcards, attempt):
    """Memory of a step of tables that has the users' probes asked before, in MB."""
    return max(TABLE_MEMORY, TORCH_MEMORY) * attempt


def longest():
    """The site's longest time limit, in minutes, if its profile gives one among the default resources."""
    defaults = workflow.resource_settings.default_resources or {}
    return int(defaults["longest"].value) if "longest" in defaults else None


def minutes(expected):
    """Time limit of a step, in minutes; more on every retry, up to the site's longest."""
    limit = longest()
    return lambda wildcards, attempt: min(expected * attempt, limit or expected * attempt)


# Seconds between two saves of an unfinished training, in the folder `resume` beside the outputs:
# Snakemake deletes the outputs of a failed job. A resource, because it changes no result; a
# profile may set another.
SAVE_SECONDS = 60


def scores_of(method, target):
    """The table of scores of a method: influence by some curvature, the loss, or a control."""
    if method in selection.CONTROLS:
        return f"<results>/scores/controls/{method if target is None else f'{method}-{target}'}.parquet"
    return f"<results>/{variants.place(design.variant_of(CONFIG, method, target))}scores/scores.parquet"


def scores_of_selection(wildcards):
    """The table of scores that a selection reads; nothing for one at random."""
    method, target, draw = design.Selection.parse(wildcards.selection)
    return [scores_of(method, target)] if draw is None else []


def matched_selection(wildcards):
    """The selection whose labels a selection at random has."""
    asked = design.Selection.parse(wildcards.selection)
    path = f"<results>/selections/influence-{asked.target}/top-{wildcards.percent}.parquet"
    return [path] if asked.method == "matched" else []


def samples_outside(wildcards):
    """For branches that swap: the samples from outside of the window."""
    kind, _, rest = wildcards.branch.partition("/")
    if kind == "swap" and CONFIG.attribution.samples == "window":
        raise WorkflowError(
            "configuration: 'studies.time.swap' needs scores of samples outside of the window; set "
            "attribution.samples to run, or swap to false."
        )
    return (
        [f"<results>/selections/{rest.replace('influence-', 'outside-', 1)}.parquet"]
        if kind == "swap"
        else []
    )


def content_of(paths):
    """A parameter: what files that no job makes hold. Such files are no inputs; see mda.runtime.external_files."""

    def found(wildcards):
        try:
            return external_files.content(map(Path, paths))
        except UserError as error:
            # The step says it in one sentence, Snakemake with a traceback.
            return str(error)

    return found


def downloaded_start():
    """The hub's checkpoint that the base run starts from, if it does."""
    return [] if CONFIG.model.remote is None else [f"<results>/published/{CONFIG.model.revision}"]


def own_start():
    """The user's own checkpoint that the base run starts from, if it does."""
    return [] if CONFIG.model.local is None else [str(CONFIG.model.local)]


def measured_revisions():
    """Revisions of the hub's repository that the base run is held against."""
    return [] if CONFIG.model.remote is None else list(CONFIG.model.published.values())


def published_revisions():
    """Revisions of the hub's repository that the configuration names."""
    first = [] if CONFIG.model.remote is None else [CONFIG.model.revision]
    return list(dict.fromkeys([*first, *measured_revisions()]))


def measured_text():
    """The rows on which the ICL score is measured, where they are not the held-out ones."""
    return [] if CONFIG.metrics.text is None else ["<results>/tokens/measured.npy"]


def measured_pin():
    """What is pinned of the text that is measured on."""
    text = CONFIG.metrics.text
    if text is None or text.remote is None:
        return as_json(None)
    return pinned("dataset", text.remote, text.revision, names=[text.file])


def measured_content(wildcards):
    """What the user's own text holds."""
    text = CONFIG.metrics.text
    return content_of([text.local] if text is not None and text.local is not None else [])(wildcards)


def published_metrics(name):
    """Metrics of the published checkpoints, where the configuration names some."""
    return [f"<results>/published/{name}.parquet"] if CONFIG.model.published else []


def motifs_of_selection(wildcards):
    """The motifs of a selection: this run's, or those that the configuration names."""
    own = "<results>/motifs/{selection}/top-{percent}.json"
    name, _, draw = wildcards.selection.partition(design.DRAW)
    return CONFIG.experiments.augmentation.motifs.get(name, own).replace("{seed}", draw)


def own_motifs(wildcards):
    """Those motifs, if this run makes them."""
    path = motifs_of_selection(wildcards)
    return [path] if path.startswith(("<results>/", f"{CONFIG.results}/motifs/")) else []


def other_motifs(wildcards):
    """Those motifs, if it does not."""
    return [] if own_motifs(wildcards) else [motifs_of_selection(wildcards)]


def part_of_branch(kinds, path):
    """An input function: `path` with the branch's selection, for branches of these kinds."""

    def paths(wildcards):
        kind = wildcards.branch.partition("/")[0]
        place = design.place_of_selection(wildcards.branch, wildcards.seed)
        return [path.format(place=place)] if kind in kinds else []

    return paths


def of_runs(cells, name):
    """One file of every run."""
    return [f"<results>/runs/{design.branch(cell)}/seed-{cell.seed}/{name}" for cell in cells]


def figures():
    """The figures of all targets, for the report."""
    names = ["base_run", "emergence", "effects", "influence", "labels", "icl", "samples"]
    return ["<results>/figures/heads.png"] + expand(
        "<results>/figures/{name}/{target}.png",
        name=names,
        target=[target.name for target in CONFIG.targets],
    )


def metric_of_target(wildcards):
    """The metric that watches the target."""
    return next(target.metric for target in CONFIG.targets if target.name == wildcards.target)


def selections_of_target(wildcards):
    """The main fraction of the selections that a target's figures compare."""
    return expand(
        "<results>/selections/{selection}/top-{percent}.parquet",
        selection=design.first_draws(CONFIG, design.shown_selections(CONFIG, wildcards.target)),
        percent=design.percent(CONFIG.main_fraction),
    )


def documents_if_any():
    """The documents; nothing for a corpus that is tokenized already."""
    return [] if CONFIG.corpus.source == "tokenized" else ["<results>/corpus/documents.parquet"]


def refuse_braces(path):
    """Of a path that Snakemake would fill in."""
    if re.search("[{}]", str(path)):
        raise WorkflowError(
            f"configuration: the path {path} has a brace, which Snakemake takes for a wildcard; rename the file "
            "or folder."
        )


for path in [*CONFIG.probe_files(), *own_start(), *CONFIG.model.published_folders]:
    refuse_braces(path)


# Where runs on SLURM are noted until they have finished.
SLURM_RUNS = Path(CONFIG.results) / "resume" / "slurm-runs"


def look_for_jobs_once():
    """Without a cluster, spare Snakemake its limit of submissions a second.

    For its sake Snakemake 9 looks at all ready jobs again a second after each look, and every job that ends
    adds such a chain of looks: after 300 jobs that took a third of a core.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def settle_earlier_run():
    """Before anything is submitted: what a run that was killed has left, in SLURM and in files."""
    # The executor plugin's name of this run, by which SLURM knows its jobs.
    run = getattr(workflow.scheduler._executor, "run_uuid", None)
    planned = [tuple(map(Path, job.output)) for job in workflow.dag.needrun_jobs() if job.output]
    try:
        restart.settle(SLURM_RUNS, run, planned, BEGAN)
    except UserError as error:
        raise WorkflowError(str(error)) from None
