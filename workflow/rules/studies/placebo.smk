# In: the curves of the runs on random subsets.


STUDY_PLACEBO = Step("studies.placebo")


rule study_placebo:
    """How often do runs that were treated at random seem to differ?"""
    input:
        curves="<results>/evidence/subsets/curves.parquet",
    output:
        table=study_table("placebo"),
    log:
        "<logs>/study_placebo.log",
    benchmark:
        "<benchmarks>/study_placebo.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        # As many as an intervention has.
        pairs=len(STUDIES.seeds or CONFIG.experiments.seeds),
        threshold=CONFIG.evidence.threshold,
        seed=CONFIG.selection.seed,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_PLACEBO.code,
    shell:
        STUDY_PLACEBO.command()
