# In: finished experiments that differ in initial weights and order: their outcomes.

REPLICATIONS = [f"results/{name}/tables/outcomes.csv" for name in STUDIES.replications]
OTHER_RESULTS["replication"] = REPLICATIONS


STUDY_REPLICATION = Step("studies.replication")


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
    localrule: LIGHT
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
        code=STUDY_REPLICATION.code,
    shell:
        STUDY_REPLICATION.command(outcomes="{params.outcomes:q}")
