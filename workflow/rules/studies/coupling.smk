# In: the outcomes of all runs.


STUDY_COUPLING = Step("studies.coupling")


rule study_coupling:
    """Do the unit and in-context learning move together?"""
    input:
        outcomes="<results>/{scope}/outcomes.csv",
    output:
        table=study_table_of_each_scope("coupling"),
    log:
        "<logs>/study_coupling/{scope}.log",
    benchmark:
        "<benchmarks>/study_coupling/{scope}.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        confidence=CONFIG.evidence.confidence,
        code=STUDY_COUPLING.code,
    shell:
        STUDY_COUPLING.command()
