# Evidence.
# In:  the metrics of all runs.
# Out: tables/curves.parquet, every curve; tables/outcomes.csv, a line a run and target;
#      tables/effects.csv, a line a target, outcome and cell, with intervals and p-values.


rule curves:
    """Gather the metrics of all runs."""
    input:
        targets="<results>/heads/targets.json",
        steps=of_all_runs("steps.parquet"),
        heads=of_all_runs("heads.parquet"),
    output:
        curves="<results>/tables/curves.parquet",
    log:
        "<logs>/curves.log",
    benchmark:
        "<benchmarks>/curves.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        metrics=as_json({target.name: target.metric for target in CONFIG.targets}),
        cells=as_json(design.cells(CONFIG)),
        code=code.fingerprint("curves"),
    shell:
        r"""
        python -m mda.steps.curves \
            --targets {input.targets:q} \
            --metrics {params.metrics:q} \
            --steps {input.steps:q} \
            --head-scores {input.heads:q} \
            --cells {params.cells:q} \
            --out {output.curves:q} \
            >{log:q} 2>&1
        """


rule effects:
    """Estimate the effects, with intervals and controls."""
    input:
        curves="<results>/tables/curves.parquet",
    output:
        effects=report(
            "<results>/tables/effects.csv",
            category="Evidence",
            caption="../report/effects_table.rst",
            labels={"figure": "all effects", "target": "all"},
        ),
        outcomes="<results>/tables/outcomes.csv",
    log:
        "<logs>/effects.log",
    benchmark:
        "<benchmarks>/effects.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        evidence=as_json(CONFIG.evidence),
        code=code.fingerprint("effects"),
    shell:
        r"""
        python -m mda.steps.effects \
            --curves {input.curves:q} \
            --settings {params.evidence:q} \
            --out {output.effects:q} \
            --out-outcomes {output.outcomes:q} \
            >{log:q} 2>&1
        """
