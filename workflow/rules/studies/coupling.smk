# In: the outcomes of all runs.


rule study_coupling:
    """Do the unit and in-context learning move together?"""
    input:
        outcomes="<results>/evidence/outcomes.csv",
    output:
        table=study_table("coupling"),
    log:
        "<logs>/study_coupling.log",
    benchmark:
        "<benchmarks>/study_coupling.jsonl"
    localrule: True
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        confidence=CONFIG.evidence.confidence,
        code=fingerprint("studies.coupling"),
    shell:
        r"""
        python -m mda.steps.studies.coupling \
            --outcomes {input.outcomes:q} \
            --confidence {params.confidence:q} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """
