# Factors and scores.
# In:  the checkpoint to attribute at, the token store, the recorded order, the targets.
# Out: factors/factors.safetensors, the curvature of all targets' units; scores/scores.parquet,
#      the influence of every training sample on every target, its parts and its loss.

CHECKPOINT = f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}"


rule factors:
    """Fit the curvature factors of all targets' units in one pass."""
    input:
        checkpoints="<results>/base/checkpoints",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets="<results>/heads/targets.json",
    output:
        factors="<results>/factors/factors.safetensors",
    log:
        "<logs>/factors.log",
    benchmark:
        "<benchmarks>/factors.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=240,
    params:
        checkpoint=CHECKPOINT,
        fit=as_json(CONFIG.attribution.fit),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        code=code.fingerprint("factors"),
    shell:
        r"""
        python -m mda.launch {resources.gpu} mda.steps.factors \
            --checkpoint {params.checkpoint:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --fit {params.fit:q} \
            --numerics {params.numerics:q} \
            --out {output.factors:q} \
            >{log:q} 2>&1
        """


rule score_shard:
    """Score one shard of the training samples for all targets."""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets="<results>/heads/targets.json",
        factors="<results>/factors/factors.safetensors",
    output:
        scores="<results>/scores/shards/{shard}.parquet",
    log:
        "<logs>/score_shard/{shard}.log",
    benchmark:
        "<benchmarks>/score_shard/{shard}.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=240,
    params:
        checkpoint=CHECKPOINT,
        fit=as_json(CONFIG.attribution.fit),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=as_json(CONFIG.attribution.damping),
        steps=as_json(CONFIG.scored),
        samples=CONFIG.attribution.samples_per_shard,
        targets=as_json(CONFIG.targets),
        probes=as_json(CONFIG.used_probes()),
        code=code.fingerprint("scores", CONFIG.probe_files()),
    shell:
        r"""
        python -m mda.launch {resources.gpu} mda.steps.scores \
            --checkpoint {params.checkpoint:q} \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --factors {input.factors:q} \
            --fit {params.fit:q} \
            --numerics {params.numerics:q} \
            --damping {params.damping:q} \
            --steps {params.steps:q} \
            --samples {params.samples} \
            --target-settings {params.targets:q} \
            --probe-settings {params.probes:q} \
            --shard {wildcards.shard} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """


rule scores:
    """Join the shards into one table, with the label of every sample."""
    input:
        shards=expand("<results>/scores/shards/{shard}.parquet", shard=range(CONFIG.shards)),
        train_rows="<results>/tokens/train.rows.parquet",
    output:
        scores="<results>/scores/scores.parquet",
    log:
        "<logs>/scores.log",
    benchmark:
        "<benchmarks>/scores.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=30,
    params:
        samples=(CONFIG.scored[1] - CONFIG.scored[0]) * CONFIG.run.batch_size,
        code=code.fingerprint("merge_scores"),
    shell:
        r"""
        python -m mda.steps.merge_scores \
            --shards {input.shards:q} \
            --train-rows {input.train_rows:q} \
            --samples {params.samples} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """
