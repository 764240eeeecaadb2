# In: the effects and outcomes of this experiment, and of others that have its motifs.

# As whom -> the experiment.
WITH_THESE_MOTIFS = {
    role: name
    for role, name in {"at-once": STUDIES.at_once, "larger": STUDIES.larger}.items()
    if name is not None
}
OTHER_EFFECTS = [f"results/{name}/tables/effects.csv" for name in WITH_THESE_MOTIFS.values()]
OTHER_OUTCOMES = [f"results/{name}/tables/outcomes.csv" for name in WITH_THESE_MOTIFS.values()]
OTHER_RESULTS["augmentation"] = OTHER_EFFECTS + OTHER_OUTCOMES


STUDY_AUGMENTATION = Step("studies.augmentation")


rule study_augmentation:
    """Do new samples with the top ones' structure do more than as many random or repeated ones?"""
    input:
        effects="<results>/evidence/effects.csv",
        outcomes="<results>/evidence/outcomes.csv",
        missing=not_run("augmentation"),
    output:
        table=study_table("augmentation", caption=OF_RUNS),
    log:
        "<logs>/study_augmentation.log",
    benchmark:
        "<benchmarks>/study_augmentation.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        other_effects=OTHER_EFFECTS,
        other_outcomes=OTHER_OUTCOMES,
        content=content_of(OTHER_RESULTS["augmentation"]),
        experiments=as_json({"own": CONFIG.experiment or "this", **WITH_THESE_MOTIFS}),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_AUGMENTATION.code,
    shell:
        STUDY_AUGMENTATION.command(
            effects="{input.effects:q} {params.other_effects:q}",
            outcomes="{input.outcomes:q} {params.other_outcomes:q}",
        )
