# In: the scores, and the tokens and text of the samples.


STUDY_ENRICHMENT = Step("studies.enrichment")


rule study_enrichment:
    """What are the samples at both ends of the influence?"""
    input:
        scores="<results>/scores/scores.parquet",
        train="<results>/tokens/train.npy",
        tokenizer="<results>/tokens/tokenizer.json",
    output:
        table=study_table("enrichment"),
    log:
        "<logs>/study_enrichment.log",
    benchmark:
        "<benchmarks>/study_enrichment.jsonl"
    localrule: LIGHT_DRAWS
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        window=as_json(CONFIG.run.window),
        seed=CONFIG.selection.seed,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_ENRICHMENT.code,
    shell:
        STUDY_ENRICHMENT.command()
