# In: the model, the samples, and their stored gradients.


STUDY_STORED_GRADIENTS = Step("studies.stored_gradients", CONFIG.probe_files())


rule study_stored_gradients:
    """How close is influence from stored gradients to influence by a pass over the samples?"""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        targets="<results>/heads/targets.json",
        factors=factors_in(""),
        directions="<results>/gradients/directions.parquet",
        gradients=expand("<results>/gradients/{shard}.npy", shard=range(CONFIG.shards)),
        samples=expand("<results>/gradients/{shard}.parquet", shard=range(CONFIG.shards)),
    output:
        table=study_table("stored_gradients"),
    log:
        "<logs>/study_stored_gradients.log",
    benchmark:
        "<benchmarks>/study_stored_gradients.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        fit=as_json(CONFIG.attribution.fit),
        damping=CONFIG.attribution.damping,
        floor=as_json(CONFIG.attribution.floor),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        target_settings=as_json(CONFIG.targets),
        probe_settings=as_json(CONFIG.probes_of(CONFIG.targets)),
        probe_files=CONFIG.probe_files(),
        content=content_of(probe_data(CONFIG.probes_of(CONFIG.targets))),
        checked=CONFIG.attribution.stored_gradients.checked,
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_STORED_GRADIENTS.code,
    shell:
        STUDY_STORED_GRADIENTS.command(
            ON_GPU, checkpoint="{params.checkpoint:q}", probe_files="{params.probe_files:q}"
        )
