# Influence through the training that happened.
# In:  the base run's state at which branches start, the streams without an intervention, the rows of tokens.
# Out: trajectory/order-{order}.parquet, the score of every sample in one order of the window (`run` is the base
#      run's own); trajectory/order-{order}.curves.parquet, what the outcomes measure on the way;
#      trajectory/mean.parquet, the mean over orders, and trajectory/reliability.csv.

TRAJECTORY_PROBES = {} if CONFIG.trajectory is None else CONFIG.probes_of(CONFIG.targets)


wildcard_constraints:
    order=r"run|\d+",


TRAJECTORY = Step("attribution.trajectory", probe_files.every(TRAJECTORY_PROBES))


rule trajectory:
    """Walk back through a training, for the effect of every sample on its outcome: trajectory/order-{order}.parquet.

    `trajectory_mean` reads it. A killed walk goes on from its last save.
    """
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        held_out="<results>/tokens/held_out.npy",
        state="<results>/base/state",
        schedule=stream_of_order,
        targets="<results>/heads/targets.json",
    output:
        scores="<results>/trajectory/order-{order}.parquet",
        curves="<results>/trajectory/order-{order}.curves.parquet",
    log:
        "<logs>/trajectory/order-{order}.log",
    benchmark:
        "<benchmarks>/trajectory/order-{order}.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=walk_memory,
        runtime=minutes(1440),
        save_seconds=SAVE_SECONDS,
        # It changes no number. 0 is as many as fit.
        keep_every=(CONFIG.trajectory and CONFIG.trajectory.keep_every) or 0,
    params:
        window=as_json(CONFIG.run.window),
        evaluate_every=CONFIG.run.evaluate_every,
        optimizer=as_json(CONFIG.run.optimizer),
        numerics=as_json(CONFIG.numerics.of_training()),
        metrics_settings=as_json(CONFIG.metrics),
        settings=as_json(CONFIG.trajectory and CONFIG.trajectory.of_a_walk()),
        target_settings=as_json(CONFIG.targets),
        probe_settings=as_json(TRAJECTORY_PROBES),
        probe_files=probe_files.every(TRAJECTORY_PROBES),
        content=content_of(probe_data(TRAJECTORY_PROBES)),
        resume=f"{CONFIG.results}/resume/trajectory/order-{{order}}",
        code=TRAJECTORY.code,
    shell:
        TRAJECTORY.command(
            TRAINING,
            synthetic="",
            out="{output.scores:q}",
            probe_files="{params.probe_files:q}",
        )


TRAJECTORY_MEAN = Step("attribution.trajectory_mean")


rule trajectory_mean:
    """Take the mean of the standardized scores over orders, with its reliability: trajectory/mean.parquet."""
    input:
        orders=expand(
            "<results>/trajectory/order-{order}.parquet",
            order=[] if CONFIG.trajectory is None else CONFIG.trajectory.orders,
        ),
    output:
        mean="<results>/trajectory/mean.parquet",
        reliability="<results>/trajectory/reliability.csv",
    log:
        "<logs>/trajectory/mean.log",
    benchmark:
        "<benchmarks>/trajectory/mean.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        window=as_json(CONFIG.run.window),
        code=TRAJECTORY_MEAN.code,
    shell:
        TRAJECTORY_MEAN.command(out="{output.mean:q}")
