# Scores.
# In:  the checkpoint to attribute at, the token store, the recorded order, the targets, the factors.
# Out: scores/shards/{shard}.parquet; scores/scores.parquet, the influence of every training sample
#      on every target, its parts and its loss, and the same of variants in variants/{variant};
#      scores/controls/gradient_norm-{target}.parquet, the norm of every sample's gradient.


if CONFIG.attribution.stored_gradients is None:

    SCORE_SHARD = Step("attribution.scores", CONFIG.probe_files())

    rule score_shard:
        """Compute the influence of one shard of the training samples on all targets.

        `scores` reads the shard, scores/shards/{shard}.parquet. A killed job goes on from its last save.
        """
        input:
            checkpoints="<results>/base/checkpoints",
            tokenizer="<results>/tokens/tokenizer.json",
            train="<results>/tokens/train.npy",
            schedule="<results>/schedules/order.parquet",
            targets=attributed_targets,
            factors=factors,
        output:
            scores="<results>/{place}scores/shards/{shard}.parquet",
        log:
            "<logs>/score_shard/{place}{shard}.log",
        benchmark:
            "<benchmarks>/score_shard/{place}{shard}.jsonl"
        conda:
            "../../../envs/mda.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=torch_memory,
            runtime=minutes(240),
            save_seconds=SAVE_SECONDS,
        params:
            checkpoint=attributed_checkpoint,
            fit=as_fit,
            numerics=as_json(CONFIG.numerics.of_attribution()),
            damping=lambda wildcards: of_attribution(wildcards).damping,
            floor=as_json(CONFIG.attribution.floor),
            steps=scored_steps,
            samples=samples_of_a_shard,
            target_settings=lambda wildcards: as_json(variants.targets(CONFIG, wildcards.place)),
            probe_settings=lambda wildcards: as_json(
                CONFIG.probes_of(variants.targets(CONFIG, wildcards.place))
            ),
            probe_files=CONFIG.probe_files(),
            content=content_of_probes,
            resume=f"{CONFIG.results}/resume/score_shard/{{place}}{{shard}}",
            code=SCORE_SHARD.code,
        shell:
            SCORE_SHARD.command(
                ON_GPU,
                checkpoint="{params.checkpoint:q}",
                probe_files="{params.probe_files:q}",
                shard=shard_of_stream(),
            )


SCORES = Step("attribution.merge_scores")


rule scores:
    """Join the shards, with the label of every sample: scores/scores.parquet.

    Selections, findings, studies and figures read it.
    """
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
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(30),
    params:
        samples=as_json(CONFIG.scored_samples),
        blocks=lambda wildcards: as_json(
            {target.name: target.blocks for target in variants.targets(CONFIG, wildcards.place)}
        ),
        code=SCORES.code,
    shell:
        SCORES.command()


GRADIENT_NORM = Step("attribution.gradient_norm")


rule gradient_norm:
    """Score the samples by the norm of their gradient in the target's units, as a control.

    `select` reads the table, scores/controls/{selection}.parquet.
    """
    input:
        checkpoints="<results>/base/checkpoints",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets="<results>/heads/targets.json",
    output:
        scores="<results>/scores/controls/{selection}.parquet",
    log:
        "<logs>/gradient_norm/{selection}.log",
    benchmark:
        "<benchmarks>/gradient_norm/{selection}.jsonl"
    wildcard_constraints:
        selection="gradient_norm-.+",
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
        save_seconds=SAVE_SECONDS,
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        target=lambda wildcards: as_json(target_of_selection(wildcards)),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        batch_size=CONFIG.attribution.fit.batch_size,
        steps=as_json(CONFIG.scored),
        resume=f"{CONFIG.results}/resume/gradient_norm/{{selection}}",
        code=GRADIENT_NORM.code,
    shell:
        GRADIENT_NORM.command(ON_GPU, checkpoint="{params.checkpoint:q}")
