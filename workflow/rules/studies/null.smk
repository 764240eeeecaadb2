# In: a finished experiment on such a corpus: its effects.

NULL_EFFECTS = f"results/{STUDIES.validity.none}/tables/effects.csv"
OTHER_RESULTS["null"] = [NULL_EFFECTS]


STUDY_NULL = Step("studies.null")


rule study_null:
    """On a corpus without catalysts, how often is an effect seen?"""
    input:
        missing=not_run("null"),
    output:
        table=study_table("null"),
    log:
        "<logs>/study_null.log",
    benchmark:
        "<benchmarks>/study_null.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        effects=NULL_EFFECTS,
        content=content_of(OTHER_RESULTS["null"]),
        confidence=CONFIG.evidence.confidence,
        code=STUDY_NULL.code,
    shell:
        STUDY_NULL.command(effects="{params.effects:q}")
