# In: the effects of removing and duplicating several shares of the samples.


STUDY_DOSE = Step("studies.dose")


rule study_dose:
    """How does the effect grow with the share of samples, and which is the smallest share that has one?"""
    input:
        effects="<results>/evidence/effects.csv",
    output:
        table=study_table("dose", caption=OF_RUNS),
    log:
        "<logs>/study_dose.log",
    benchmark:
        "<benchmarks>/study_dose.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        curves=as_json({curve.kind: curve.selections for curve in STUDIES.dose.curves}),
        confidence=CONFIG.evidence.confidence,
        code=STUDY_DOSE.code,
    shell:
        STUDY_DOSE.command()
