# In: the scores of the configured attribution and of its variants.


STUDY_AGREEMENT = Step("studies.agreement")


rule study_agreement:
    """Does another curvature, damping, sample of the fit or checkpoint give the same influence?"""
    input:
        configured="<results>/scores/scores.parquet",
        variants=variant_scores(variants.names(CONFIG)),
    output:
        table=study_table("agreement"),
    log:
        "<logs>/study_agreement.log",
    benchmark:
        "<benchmarks>/study_agreement.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        names=as_json(variants.names(CONFIG)),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_AGREEMENT.code,
    shell:
        STUDY_AGREEMENT.command()
