# In: the model, the samples, and the scores by every curvature.


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
        fit=as_json(CONFIG.attribution.fit),
        settings=as_json(STUDIES.curvature.exact),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=CONFIG.attribution.damping,
        floor=as_json(CONFIG.attribution.floor),
        steps=as_json(CONFIG.scored),
        confidence=CONFIG.evidence.confidence,
        code=fingerprint("studies.exact", CONFIG.probe_files()),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.studies.exact \
            --checkpoint {params.checkpoint:q} \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --scores {input.scores:q} \
            --curvatures {params.curvatures:q} \
            --target-settings {params.target_settings:q} \
            --probe-settings {params.probe_settings:q} \
            --probe-files {params.probe_files:q} \
            --fit {params.fit:q} \
            --settings {params.settings:q} \
            --numerics {params.numerics:q} \
            --damping {params.damping:q} \
            --floor {params.floor:q} \
            --steps {params.steps:q} \
            --confidence {params.confidence:q} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """
