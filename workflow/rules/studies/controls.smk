# In: the outcomes of the runs without the samples of each selection.


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
    localrule: True
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        kind=STUDIES.controls.kind,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=fingerprint("studies.controls"),
    shell:
        r"""
        python -m mda.steps.studies.controls \
            --outcomes {input.outcomes:q} \
            --kind {params.kind:q} \
            --fraction {params.fraction:q} \
            --confidence {params.confidence:q} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """
