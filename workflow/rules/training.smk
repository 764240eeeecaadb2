# Training runs.
# In:  the rows of tokens and the tokenizer; for a branch also its order, what it changes there, and the base run's
#      state.
# Out: schedules/order.parquet (step, update, slot, row, role), the recorded data order;
#      base/checkpoints/step-*, in Hugging Face format; base/state, the full training state at
#      which interventions branch; base/{steps,heads}.parquet, the metrics;
#      runs/{branch}/seed-{seed}/{steps,heads}.parquet, the same of every branch.

# The user's own checkpoint that the base run starts from, if it does.
OWN_START = [] if CONFIG.model.local is None else [str(CONFIG.model.local)]

# Seconds between two saves of an unfinished training or scoring pass, in the folder `resume` beside the outputs:
# Snakemake deletes the outputs of a failed job. A resource, because it changes no result; a
# profile may set another.
SAVE_SECONDS = 60

# With a section `trace` nothing is trained: rules/attribution/trace.smk makes these files then.
if CONFIG.trace is None:

    ORDER = Step("training.order")

    rule order:
        """Fix in schedules/order.parquet the order in which the base run reads the training rows.

        The base run, attribution and `intervene` read it.
        """
        input:
            train="<results>/tokens/train.npy",
        output:
            schedule="<results>/schedules/order.parquet",
        log:
            "<logs>/order.log",
        benchmark:
            "<benchmarks>/order.jsonl"
        localrule: LIGHT_STREAM
        conda:
            "../../envs/mda.yaml"
        resources:
            mem_mb=table_memory,
            runtime=minutes(10),
        params:
            steps=CONFIG.run.steps,
            batch_size=CONFIG.run.batch_size,
            seed=as_json(CONFIG.run.order_seed),
            code=ORDER.code,
        shell:
            ORDER.command()

    BASE_RUN = Step("training.base_run", WATCHED_CODE)

    rule base_run:
        """Train the base model, with its checkpoints, metrics, and state at which branches begin: base/.

        Attribution reads the checkpoints, `retrain` the state. A killed run goes on from its last save.
        """
        input:
            tokenizer="<results>/tokens/tokenizer.json",
            train="<results>/tokens/train.npy",
            held_out="<results>/tokens/held_out.npy",
            text=MEASURED_ROWS,
            schedule="<results>/schedules/order.parquet",
            start=[] if CONFIG.model.remote is None else [f"<results>/published/{CONFIG.model.revision}"],
        output:
            checkpoints=directory("<results>/base/checkpoints"),
            state=directory("<results>/base/state"),
            steps="<results>/base/steps.parquet",
            heads="<results>/base/heads.parquet",
        log:
            "<logs>/base_run.log",
        benchmark:
            "<benchmarks>/base_run.jsonl"
        conda:
            "../../envs/mda.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=torch_memory,
            runtime=minutes(1440),
            save_seconds=SAVE_SECONDS,
        params:
            model=as_json(CONFIG.model.initial()),
            own_start=OWN_START,
            content=content_of(OWN_START),
            steps=CONFIG.run.steps,
            checkpoints=as_json(sorted(CONFIG.run.checkpoints)),
            branch_at=CONFIG.run.window.origin,
            evaluate_every=CONFIG.run.evaluate_every,
            optimizer=as_json(CONFIG.run.optimizer),
            numerics=as_json(CONFIG.numerics.of_training()),
            metrics_settings=as_json(CONFIG.metrics),
            neurons=as_json(CONFIG.neurons()),
            watched=as_json(CONFIG.watched),
            probe_settings=as_json(WATCHED_PROBES),
            probe_files=probe_files.every(WATCHED_PROBES),
            probe_content=content_of(probe_data(WATCHED_PROBES)),
            resume=f"{CONFIG.results}/resume/base_run",
            code=BASE_RUN.code,
        shell:
            BASE_RUN.command(
                TRAINING,
                start="{input.start:q} {params.own_start:q}",
                probe_files="{params.probe_files:q}",
            )


RETRAIN = Step("training.retrain", WATCHED_CODE)


rule retrain:
    """Train one branch from the base run's state, and measure it: runs/{branch}/seed-{seed}/.

    `curves` reads the metrics. A killed run goes on from its last save.
    """
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        held_out="<results>/tokens/held_out.npy",
        text=MEASURED_ROWS,
        state="<results>/base/state",
        order="<results>/schedules/orders/seed-{seed}.parquet",
        changes=changes_of_branch,
        synthetic=synthetic_of_branch,
    output:
        steps="<results>/runs/{branch}/seed-{seed}/steps.parquet",
        heads="<results>/runs/{branch}/seed-{seed}/heads.parquet",
    log:
        "<logs>/retrain/{branch}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/retrain/{branch}/seed-{seed}.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(1440),
        save_seconds=SAVE_SECONDS,
    params:
        window=as_json(CONFIG.run.window),
        evaluate_every=CONFIG.run.evaluate_every,
        optimizer=as_json(CONFIG.run.optimizer),
        numerics=as_json(CONFIG.numerics.of_training()),
        metrics_settings=as_json(CONFIG.metrics),
        neurons=as_json(CONFIG.neurons()),
        watched=as_json(CONFIG.watched),
        probe_settings=as_json(WATCHED_PROBES),
        probe_files=probe_files.every(WATCHED_PROBES),
        probe_content=content_of(probe_data(WATCHED_PROBES)),
        resume=f"{CONFIG.results}/resume/{{branch}}/seed-{{seed}}",
        code=RETRAIN.code,
    shell:
        RETRAIN.command(TRAINING, probe_files="{params.probe_files:q}")
