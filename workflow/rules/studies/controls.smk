# In: the outcomes of the runs without the samples of each selection.


STUDY_CONTROLS = Step("studies.controls")


rule study_controls:
    """Is influence better than each cheaper way to select samples?"""
    input:
        outcomes="<results>/evidence/outcomes.csv",
    output:
        table=study_table("controls"),
    log:
        "<logs>/study_controls.log",
    benchmark:
        "<benchmarks>/study_controls.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        kind=STUDIES.controls.kind,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_CONTROLS.code,
    shell:
        STUDY_CONTROLS.command()
