"""Mechanistic data attribution: which training data made this part of the model?

The rules are in workflow/rules, one file a stage, in the order in which the data flows; what
they run is in workflow/mda. config.yaml explains every setting, mda/report/columns.yaml every column.
"""

import os
from pathlib import Path

from snakemake.utils import min_version

# What workflow/judgement.py mends is of this version.
min_version("9.27")

# The folder of this file: not that of the main one, where another workflow uses this one as a module.
SOURCE = Path(str(workflow.current_basedir))
IMAGE = os.path.relpath(SOURCE / "envs" / "mda.sif")


# Used by `--sdm apptainer`; envs/mda.def says how it is built. Snakemake refuses a space in its name, used or not.
container: IMAGE if " " not in IMAGE else "envs/mda.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/published.smk"
include: "workflow/rules/base_run.smk"
include: "workflow/rules/heads.smk"
include: "workflow/rules/score_inputs.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/selections.smk"
include: "workflow/rules/interventions.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/study_inputs.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/browser.smk"
include: "workflow/rules/report_inputs.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/usage.smk"


report: "workflow/report/workflow.rst"


onstart:
    look_for_jobs_once()
    settle_earlier_run()


onsuccess:
    judgement.accept(workflow.dag)
    restart.over(SLURM_RUNS)


rule all:
    """Everything: tables and figures of the configured experiment."""
    default_target: True
    input:
        "<results>/config.yaml",
        "<results>/tables/effects.csv",
        "<results>/samples/index.html",
        "<results>/report.html",
        "<results>/benchmarks/usage.csv",
        figures(),


rule scored:
    """The scores alone, of experiments that only the studies of others read."""
    input:
        "<results>/config.yaml",
        "<results>/scores/scores.parquet",


rule compared:
    """The effects of the interventions without figures, of experiments that only the studies of others read."""
    input:
        "<results>/config.yaml",
        "<results>/tables/effects.csv",


rule evidence:
    """Everything and the studies, with a verdict on each published finding."""
    input:
        rules.all.input,
        # First, so that an experiment that has not been run is named.
        not_run(STUDY_TABLES),
        "<results>/evidence.html",
