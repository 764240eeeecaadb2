# In: the outcomes of the runs without the samples of each selection.


STUDY_CONTROLS = Step("studies.controls")


rule study_controls:
    """Is influence better than each cheaper way to select samples?"""
    input:
        outcomes="<results>/{scope}/outcomes.csv",
    output:
        table=study_table_of_each_scope("controls", caption=OF_RUNS),
    log:
        "<logs>/study_controls/{scope}.log",
    benchmark:
        "<benchmarks>/study_controls/{scope}.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        kind=lambda wildcards: kind_of_controls(wildcards.scope),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_CONTROLS.code,
    shell:
        STUDY_CONTROLS.command()
