# Factors and scores.
# In:  the checkpoint to attribute at, the token store, the recorded order, the targets.
# Out: factors/{covariance,lambda}/{part}.safetensors, sums over a part of the fitted samples;
#      factors/{covariance,eigen,lambda}.safetensors, the curvature of all targets' units, as far as
#      the strategy needs it; scores/scores.parquet, the influence of every training sample on every
#      target, its parts and its loss. Variants have the same in variants/{variant}.


wildcard_constraints:
    place="(variants/[^/]+/)?",
    part=r"\d+",


rule covariance_part:
    """Sum up the covariances of all targets' units over one part of the fitted samples."""
    input:
        checkpoints="<results>/base/checkpoints",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets=attributed_units,
    output:
        sums="<results>/{place}factors/covariance/{part}.safetensors",
    log:
        "<logs>/covariance_part/{place}{part}.log",
    benchmark:
        "<benchmarks>/covariance_part/{place}{part}.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=attributed_checkpoint,
        fit=as_fit,
        numerics=as_json(CONFIG.numerics.of_attribution()),
        code=fingerprint("attribution.covariance"),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.attribution.covariance \
            --checkpoint {params.checkpoint:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --fit {params.fit:q} \
            --numerics {params.numerics:q} \
            --part {wildcards.part} \
            --out {output.sums:q} \
            >{log:q} 2>&1
        """


rule eigendecomposition:
    """Join the parts of the covariances and find their eigenvectors."""
    input:
        parts=parts("covariance"),
    output:
        covariance="<results>/{place}factors/covariance.safetensors",
        eigen="<results>/{place}factors/eigen.safetensors",
    log:
        "<logs>/eigendecomposition/{place}all.log",
    benchmark:
        "<benchmarks>/eigendecomposition/{place}all.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
    params:
        code=fingerprint("attribution.eigendecomposition"),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.attribution.eigendecomposition \
            --parts {input.parts:q} \
            --out {output.eigen:q} \
            --out-covariance {output.covariance:q} \
            >{log:q} 2>&1
        """


rule lambda_part:
    """Sum up the squared gradients of all targets' units over one part of the fitted samples."""
    input:
        checkpoints="<results>/base/checkpoints",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets=attributed_units,
        eigen=eigenvectors,
    output:
        sums="<results>/{place}factors/lambda/{part}.safetensors",
    log:
        "<logs>/lambda_part/{place}{part}.log",
    benchmark:
        "<benchmarks>/lambda_part/{place}{part}.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=attributed_checkpoint,
        fit=as_fit,
        numerics=as_json(CONFIG.numerics.of_attribution()),
        code=fingerprint("attribution.lambdas"),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.attribution.lambdas \
            --checkpoint {params.checkpoint:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --eigen {input.eigen:q} \
            --fit {params.fit:q} \
            --numerics {params.numerics:q} \
            --part {wildcards.part} \
            --out {output.sums:q} \
            >{log:q} 2>&1
        """


rule lambdas:
    """Join the parts of the squared gradients."""
    input:
        parts=parts("lambda"),
    output:
        lambdas="<results>/{place}factors/lambda.safetensors",
    log:
        "<logs>/lambdas/{place}all.log",
    benchmark:
        "<benchmarks>/lambdas/{place}all.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        code=fingerprint("attribution.merge_lambdas"),
    shell:
        r"""
        python -m mda.steps.attribution.merge_lambdas \
            --parts {input.parts:q} \
            --out {output.lambdas:q} \
            >{log:q} 2>&1
        """


rule score_shard:
    """Score one shard of the training samples for all targets."""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets=attributed_units,
        factors=factors,
    output:
        scores="<results>/{place}scores/shards/{shard}.parquet",
    log:
        "<logs>/score_shard/{place}{shard}.log",
    benchmark:
        "<benchmarks>/score_shard/{place}{shard}.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=attributed_checkpoint,
        fit=as_fit,
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=lambda wildcards: of_attribution(wildcards).damping,
        floor=as_json(CONFIG.attribution.floor),
        steps=as_json(CONFIG.scored),
        samples=CONFIG.attribution.samples_per_shard,
        targets=lambda wildcards: as_json(variants.targets(CONFIG, wildcards.place)),
        probes=lambda wildcards: as_json(CONFIG.probes_of(variants.targets(CONFIG, wildcards.place))),
        probe_files=CONFIG.probe_files(),
        code=fingerprint("attribution.scores", CONFIG.probe_files()),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.attribution.scores \
            --checkpoint {params.checkpoint:q} \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --factors {input.factors:q} \
            --fit {params.fit:q} \
            --numerics {params.numerics:q} \
            --damping {params.damping} \
            --floor {params.floor} \
            --steps {params.steps:q} \
            --samples {params.samples} \
            --target-settings {params.targets:q} \
            --probe-settings {params.probes:q} \
            --probe-files {params.probe_files:q} \
            --shard {wildcards.shard} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """


rule scores:
    """Join the shards into one table, with the label of every sample."""
    input:
        shards=lambda wildcards: expand(
            f"<results>/{wildcards.place}scores/shards/{{shard}}.parquet", shard=range(CONFIG.shards)
        ),
        train_rows="<results>/tokens/train.rows.parquet",
    output:
        scores="<results>/{place}scores/scores.parquet",
    log:
        "<logs>/scores/{place}all.log",
    benchmark:
        "<benchmarks>/scores/{place}all.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        samples=(CONFIG.scored[1] - CONFIG.scored[0]) * CONFIG.run.batch_size,
        blocks=lambda wildcards: as_json(
            {target.name: target.blocks for target in variants.targets(CONFIG, wildcards.place)}
        ),
        code=fingerprint("attribution.merge_scores"),
    shell:
        r"""
        python -m mda.steps.attribution.merge_scores \
            --shards {input.shards:q} \
            --train-rows {input.train_rows:q} \
            --samples {params.samples} \
            --blocks {params.blocks:q} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """
