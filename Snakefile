"""Mechanistic data attribution: which training data made this part of the model?

The rules are in workflow/rules: a file or a folder for each stage, in the order in which the data flows. The
functions that they run are in workflow/mda/steps, in folders of the same names. config.yaml explains every setting,
mda/report/columns.yaml every column.
"""

import os
from pathlib import Path

from snakemake.utils import min_version

# What workflow/mda/snakemake/judgement.py mends is of this version.
min_version("9.27")

# The folder of this file: not that of the main one, where another workflow uses this one as a module.
SOURCE = Path(str(workflow.current_basedir))
IMAGE = os.path.relpath(SOURCE / "envs" / "mda.sif")


# Used by `--sdm apptainer`; envs/mda.def says how it is built. Snakemake refuses a space in its name, used or not.
container: IMAGE if " " not in IMAGE else "envs/mda.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/runtime.smk"
include: "workflow/rules/config.smk"
include: "workflow/rules/hub.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/attribution/inputs.smk"
include: "workflow/rules/attribution/factors.smk"
include: "workflow/rules/attribution/stored_gradients.smk"
include: "workflow/rules/attribution/scores.smk"
include: "workflow/rules/attribution/token_influence.smk"
include: "workflow/rules/attribution/trace.smk"
include: "workflow/rules/attribution/trajectory.smk"
include: "workflow/rules/interventions/inputs.smk"
include: "workflow/rules/interventions/selections.smk"
include: "workflow/rules/interventions/branches.smk"
include: "workflow/rules/figure_inputs.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/study_inputs.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/report_inputs.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


onstart:
    # Here, for the jobs of a cluster read this file too, and show nothing.
    from mda.snakemake import terminal

    terminal.begin(workflow, Path(CONFIG.results) / "benchmarks")
    run_start.look_for_jobs_once(workflow)
    run_start.end_once(workflow)
    run_start.settle_earlier_run(workflow, SLURM_RUNS, BEGAN)
    run_start.join_files_of_jobs(workflow, Path(CONFIG.results))


onsuccess:
    judgement.accept(workflow.dag)
    restart.over(SLURM_RUNS)


rule all:
    """Everything: tables and figures of the configured experiment."""
    default_target: True
    input:
        "<results>/config.yaml",
        *([] if CONFIG.trace is not None else ["<results>/tables/effects.csv"]),
        "<results>/report.html",
        traced_documents(),
        *trajectories(),
        "<results>/samples/index.html",
        [] if CONFIG.figures.browser_characters is None else ["<results>/samples/all"],
        "<results>/benchmarks/usage.csv",
        figures(),


rule scored:
    """The scores alone, of experiments that only the studies of others read."""
    input:
        "<results>/config.yaml",
        "<results>/scores/scores.parquet",


if CONFIG.trace is None:

    rule compared:
        """The effects of the interventions without figures, of experiments that only the studies of others read."""
        input:
            "<results>/config.yaml",
            "<results>/tables/effects.csv",


rule evidence:
    """Everything and the studies, with a verdict on each published finding. A trace has no more than everything."""
    input:
        rules.all.input,
        # First, so that an experiment that has not been run is named.
        not_run(*CONFIGURED),
        ["<results>/evidence.html"] if CONFIG.trace is None else [],
        compared_checkpoints(),
