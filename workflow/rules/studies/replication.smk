# In: finished experiments that differ in initial weights and order: their outcomes.

REPLICATIONS = [f"results/{name}/tables/outcomes.csv" for name in STUDIES.replications]
OTHER_RESULTS["replication"] = REPLICATIONS


rule study_replication:
    """Do the main effects hold in models from other initial weights?"""
    input:
        missing=not_run("replication"),
    output:
        table=study_table("replication", caption="../../mda/studies/replication/table_caption.rst"),
    log:
        "<logs>/study_replication.log",
    benchmark:
        "<benchmarks>/study_replication.jsonl"
    localrule: True
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        outcomes=REPLICATIONS,
        content=content_of(OTHER_RESULTS["replication"]),
        experiments=as_json(STUDIES.replications),
        start=CONFIG.run.window.origin,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=fingerprint("studies.replication"),
    shell:
        r"""
        python -m mda.steps.studies.replication \
            --outcomes {params.outcomes:q} \
            --experiments {params.experiments:q} \
            --fraction {params.fraction:q} \
            --start {params.start:q} \
            --confidence {params.confidence:q} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """
