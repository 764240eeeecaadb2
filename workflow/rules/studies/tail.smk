# In: the scores.


STUDY_TAIL = Step("studies.tail")


rule study_tail:
    """How much of the influence do the top samples have?"""
    input:
        scores="<results>/scores/scores.parquet",
    output:
        table=study_table("tail", caption="../../mda/studies/tail/caption.rst"),
    log:
        "<logs>/study_tail.log",
    benchmark:
        "<benchmarks>/study_tail.jsonl"
    localrule: LIGHT_DRAWS
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        seed=CONFIG.selection.seed,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_TAIL.code,
    shell:
        STUDY_TAIL.command()
