# In: the model, the samples, and the scores by every curvature.


STUDY_EXACT = Step("studies.exact", CONFIG.probe_files())


rule study_exact:
    """How close is influence by approximate curvatures to influence by the exact one?"""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets="<results>/heads/targets.json",
        scores=variant_scores([None, *variants.strategies(CONFIG)]),
    output:
        table=study_table("exact"),
    log:
        "<logs>/study_exact.log",
    benchmark:
        "<benchmarks>/study_exact.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        curvatures=as_json([CONFIG.attribution.fit.strategy, *variants.other_curvatures(CONFIG)]),
        target_settings=as_json(CONFIG.targets),
        probe_settings=as_json(CONFIG.probes_of(CONFIG.targets)),
        probe_files=CONFIG.probe_files(),
        content=content_of(probe_data(CONFIG.probes_of(CONFIG.targets))),
        fit=as_json(CONFIG.attribution.fit),
        settings=as_json(STUDIES.curvature.exact),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=CONFIG.attribution.damping,
        floor=as_json(CONFIG.attribution.floor),
        steps=as_json(CONFIG.scored),
        confidence=CONFIG.evidence.confidence,
        code=STUDY_EXACT.code,
    shell:
        STUDY_EXACT.command(ON_GPU, checkpoint="{params.checkpoint:q}", probe_files="{params.probe_files:q}")
