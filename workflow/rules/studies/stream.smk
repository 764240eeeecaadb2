# In: the scores, and the unit's metric in the base run.


STUDY_STREAM = Step("studies.stream")


rule study_stream:
    """Where in the training stream is the influence, and when does the unit form?"""
    input:
        scores="<results>/scores/scores.parquet",
        targets="<results>/heads/targets.json",
        steps="<results>/base/steps.parquet",
        head_scores="<results>/base/heads.parquet",
    output:
        table=study_table("stream"),
    log:
        "<logs>/study_stream.log",
    benchmark:
        "<benchmarks>/study_stream.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        metrics=as_json({target.name: target.metric for target in CONFIG.targets}),
        confidence=CONFIG.evidence.confidence,
        code=STUDY_STREAM.code,
    shell:
        STUDY_STREAM.command()
