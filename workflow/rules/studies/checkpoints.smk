# In: the outcomes of the runs without the top samples by influence at each checkpoint.


STUDY_CHECKPOINTS = Step("studies.checkpoints")


rule study_checkpoints:
    """Influence at which checkpoint selects best?"""
    input:
        outcomes="<results>/evidence/outcomes.csv",
    output:
        table=study_table("checkpoints", caption=OF_RUNS),
    log:
        "<logs>/study_checkpoints.log",
    benchmark:
        "<benchmarks>/study_checkpoints.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        configured=CONFIG.attribution.checkpoint,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_CHECKPOINTS.code,
    shell:
        STUDY_CHECKPOINTS.command()
