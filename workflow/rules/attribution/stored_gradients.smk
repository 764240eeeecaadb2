# Stored gradients, from which another probe or damping is answered without a pass over the samples.
# In:  the checkpoint to attribute at, the token store, the recorded order, the units of all targets, the factors.
# Out: gradients/directions.parquet, what is stored of a gradient; gradients/{shard}.npy, that of every sample, with
#      gradients/{shard}.parquet, which samples these are; scores/shards/{shard}.parquet, scores made of them;
#      gradients/checked.csv, how close these are to scores by a pass. Each checkpoint of a trace has all of it.

if CONFIG.attribution.stored_gradients is not None:

    STORED_DIRECTIONS = Step("attribution.stored_directions")

    rule stored_directions:
        """Choose the directions that are stored of every gradient: gradients/directions.parquet.

        `store_gradients` and `score_shard` read it.
        """
        input:
            lambdas="<results>/{place}factors/lambda.safetensors",
        output:
            directions="<results>/{place}gradients/directions.parquet",
        log:
            "<logs>/stored_directions/{place}all.log",
        benchmark:
            "<benchmarks>/stored_directions/{place}all.jsonl"
        conda:
            "../../../envs/mda.yaml"
        resources:
            # A block of a whole MLP is as large as its weights.
            mem_mb=torch_memory,
            runtime=minutes(60),
        params:
            values=CONFIG.attribution.stored_gradients.values,
            code=STORED_DIRECTIONS.code,
        shell:
            STORED_DIRECTIONS.command()

    STORE_GRADIENTS = Step("attribution.store_gradients")

    rule store_gradients:
        """Store the gradients of one shard of the training samples: gradients/{shard}.npy.

        `score_shard` reads them. They depend on no probe and no damping. A killed job goes on from its last save.
        """
        input:
            checkpoints="<results>/base/checkpoints",
            train="<results>/tokens/train.npy",
            schedule="<results>/schedules/order.parquet",
            watched=attributed_units,
            eigen="<results>/{place}factors/eigen.safetensors",
            directions="<results>/{place}gradients/directions.parquet",
        output:
            gradients="<results>/{place}gradients/{shard}.npy",
            samples="<results>/{place}gradients/{shard}.parquet",
        log:
            "<logs>/store_gradients/{place}{shard}.log",
        benchmark:
            "<benchmarks>/store_gradients/{place}{shard}.jsonl"
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
            steps=scored_steps,
            samples=samples_of_a_shard,
            resume=f"{CONFIG.results}/resume/store_gradients/{{place}}{{shard}}",
            code=STORE_GRADIENTS.code,
        shell:
            STORE_GRADIENTS.command(
                ON_GPU,
                checkpoint="{params.checkpoint:q}",
                shard=shard_of_stream(),
                out="{output.gradients:q}",
            )

    STORED_SCORES = Step("attribution.stored_scores", CONFIG.probe_files())

    rule score_shard:
        """Compute the influence of one shard of the training samples on all targets, from the stored gradients.

        `scores` reads the shard, scores/shards/{shard}.parquet.
        """
        input:
            checkpoints="<results>/base/checkpoints",
            tokenizer="<results>/tokens/tokenizer.json",
            targets=attributed_targets,
            factors=factors,
            directions="<results>/{place}gradients/directions.parquet",
            gradients="<results>/{place}gradients/{shard}.npy",
            samples="<results>/{place}gradients/{shard}.parquet",
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
            runtime=minutes(60),
        params:
            checkpoint=attributed_checkpoint,
            context=CONFIG.tokens.context,
            fit=as_fit,
            numerics=as_json(CONFIG.numerics.of_attribution()),
            damping=lambda wildcards: of_attribution(wildcards).damping,
            floor=as_json(CONFIG.attribution.floor),
            target_settings=lambda wildcards: as_json(variants.targets(CONFIG, wildcards.place)),
            probe_settings=lambda wildcards: as_json(
                CONFIG.probes_of(variants.targets(CONFIG, wildcards.place))
            ),
            probe_files=CONFIG.probe_files(),
            content=content_of_probes,
            code=STORED_SCORES.code,
        shell:
            STORED_SCORES.command(
                ON_GPU, checkpoint="{params.checkpoint:q}", probe_files="{params.probe_files:q}"
            )

    CHECK_GRADIENTS = Step("attribution.check_gradients", CONFIG.probe_files())

    rule check_gradients:
        """Compare influence from stored gradients with that by a pass over some samples: gradients/checked.csv.

        `study_stored_gradients` reads it.
        """
        input:
            checkpoints="<results>/base/checkpoints",
            tokenizer="<results>/tokens/tokenizer.json",
            train="<results>/tokens/train.npy",
            targets=attributed_targets,
            factors=factors,
            directions="<results>/{place}gradients/directions.parquet",
            gradients=lambda wildcards: expand(
                f"<results>/{wildcards.place}gradients/{{shard}}.npy", shard=range(CONFIG.shards)
            ),
            samples=lambda wildcards: expand(
                f"<results>/{wildcards.place}gradients/{{shard}}.parquet", shard=range(CONFIG.shards)
            ),
        output:
            table="<results>/{place}gradients/checked.csv",
        log:
            "<logs>/check_gradients/{place}all.log",
        benchmark:
            "<benchmarks>/check_gradients/{place}all.jsonl"
        conda:
            "../../../envs/mda.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=torch_memory,
            runtime=minutes(60),
        params:
            checkpoint=attributed_checkpoint,
            step=lambda wildcards: of_attribution(wildcards).checkpoint,
            fit=as_fit,
            damping=lambda wildcards: of_attribution(wildcards).damping,
            floor=as_json(CONFIG.attribution.floor),
            numerics=as_json(CONFIG.numerics.of_attribution()),
            target_settings=lambda wildcards: as_json(variants.targets(CONFIG, wildcards.place)),
            probe_settings=lambda wildcards: as_json(
                CONFIG.probes_of(variants.targets(CONFIG, wildcards.place))
            ),
            probe_files=CONFIG.probe_files(),
            content=content_of_probes,
            checked=CONFIG.attribution.stored_gradients.checked,
            fraction=CONFIG.main_fraction,
            confidence=CONFIG.evidence.confidence,
            code=CHECK_GRADIENTS.code,
        shell:
            CHECK_GRADIENTS.command(
                ON_GPU, checkpoint="{params.checkpoint:q}", probe_files="{params.probe_files:q}"
            )
