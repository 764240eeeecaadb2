# In: the scores of the configured targets and of the study's own.


STUDY_OVERLAP = Step("studies.overlap")


rule study_overlap:
    """Do different units have the same top samples?"""
    input:
        scores=["<results>/scores/scores.parquet", f"<results>/{OTHER_UNITS}scores/scores.parquet"],
        targets=["<results>/heads/targets.json", f"<results>/{OTHER_UNITS}heads/targets.json"],
    output:
        table=study_table("overlap"),
    log:
        "<logs>/study_overlap.log",
    benchmark:
        "<benchmarks>/study_overlap.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        metrics=as_json({target.name: target.metric.removeprefix(BEST) for target in CONFIG.all_targets}),
        window=as_json(CONFIG.run.window),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_OVERLAP.code,
    shell:
        STUDY_OVERLAP.command()
