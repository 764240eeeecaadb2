# Evidence.
# In:  the metrics of all runs.
# Out: tables/curves.parquet, every curve; tables/outcomes.csv, a line for each run and target;
#      tables/effects.csv, a line for each target, outcome and cell, with intervals and p-values. The
#      studies have the same of their runs in the folder evidence.

# Which runs a folder's tables are of.
CELLS_OF = {
    "tables": design.cells(CONFIG),
    "evidence": design.study_cells(CONFIG),
    "evidence/subsets": design.subset_cells(CONFIG),
    "evidence/linearity": design.linearity_cells(CONFIG),
}


wildcard_constraints:
    scope="tables|evidence|evidence/subsets|evidence/linearity",


CURVES = Step("evidence.curves")


rule curves:
    """Gather the metrics of all runs."""
    input:
        targets="<results>/heads/targets.json",
        steps=lambda wildcards: of_runs(CELLS_OF[wildcards.scope], "steps.parquet"),
        head_scores=lambda wildcards: of_runs(CELLS_OF[wildcards.scope], "heads.parquet"),
    output:
        curves="<results>/{scope}/curves.parquet",
    log:
        "<logs>/curves/{scope}.log",
    benchmark:
        "<benchmarks>/curves/{scope}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        metrics=as_json({target.name: target.metric for target in CONFIG.targets}),
        cells=lambda wildcards: as_json(CELLS_OF[wildcards.scope]),
        code=CURVES.code,
    shell:
        CURVES.command(LISTED)


EFFECTS = Step("evidence.effects")


rule effects:
    """Estimate the effects, with intervals and controls."""
    input:
        curves="<results>/{scope}/curves.parquet",
    output:
        effects=report(
            "<results>/{scope}/effects.csv",
            category="Evidence",
            caption="../report/effects_table.rst",
            labels={"figure": "all effects", "target": "all"},
        ),
        outcomes="<results>/{scope}/outcomes.csv",
    log:
        "<logs>/effects/{scope}.log",
    benchmark:
        "<benchmarks>/effects/{scope}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        settings=as_json(CONFIG.evidence),
        fraction=CONFIG.main_fraction,
        code=EFFECTS.code,
    shell:
        EFFECTS.command(out="{output.effects:q}")
