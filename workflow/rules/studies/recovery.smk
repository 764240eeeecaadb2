# In: finished experiments on these corpora: scores, tokens, units and configuration of each.

CORPORA = {
    name: [f"results/{corpus}/{path}" for corpus in STUDIES.validity.corpora]
    for name, path in {
        "scores": "scores/scores.parquet",
        "stores": "tokens/train.npy",
        "units": "heads/targets.json",
        "configurations": "config.yaml",
    }.items()
}
OTHER_RESULTS["recovery"] = sum(CORPORA.values(), [])


STUDY_RECOVERY = Step("studies.recovery")


rule study_recovery:
    """Are the catalysts found in corpora that were made with known ones?"""
    input:
        missing=not_run("recovery"),
    output:
        table=study_table("recovery"),
    log:
        "<logs>/study_recovery.log",
    benchmark:
        "<benchmarks>/study_recovery.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        **CORPORA,
        content=content_of(OTHER_RESULTS["recovery"]),
        corpora=as_json(STUDIES.validity.corpora),
        label=STUDIES.validity.label,
        decoy=as_json(STUDIES.validity.decoy),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_RECOVERY.code,
    shell:
        STUDY_RECOVERY.command(
            scores="{params.scores:q}",
            stores="{params.stores:q}",
            units="{params.units:q}",
            configurations="{params.configurations:q}",
        )
