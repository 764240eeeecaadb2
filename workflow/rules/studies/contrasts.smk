# In: finished experiments that differ in initial weights and orders: their outcomes.

MODELS = [f"results/{name}/tables/outcomes.csv" for name in STUDIES.contrasts.experiments]
OTHER_RESULTS["contrasts"] = MODELS


STUDY_CONTRASTS = Step("studies.contrasts")


rule study_contrasts:
    """Does influence do more than each cheap control, over several models and orders of their samples?"""
    input:
        missing=not_run("contrasts"),
    output:
        table=study_table("contrasts", caption="../../mda/studies/contrasts/caption.rst"),
    log:
        "<logs>/study_contrasts.log",
    benchmark:
        "<benchmarks>/study_contrasts.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        outcomes=MODELS,
        content=content_of(OTHER_RESULTS["contrasts"]),
        experiments=as_json(STUDIES.contrasts.experiments),
        planned=as_json(STUDIES.contrasts.planned),
        start=CONFIG.run.window.origin,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_CONTRASTS.code,
    shell:
        STUDY_CONTRASTS.command(outcomes="{params.outcomes:q}")
