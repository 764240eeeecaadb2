# Base run.
# In:  the token stores and the tokenizer.
# Out: schedules/order.parquet (step, update, slot, row, role), the recorded data order;
#      base/checkpoints/step-*, in Hugging Face format; base/state, the full training state at
#      which interventions branch; base/steps.parquet and base/heads.parquet, the metrics.


rule order:
    """Fix the order in which the base run reads the training rows."""
    input:
        train="<results>/tokens/train.npy",
    output:
        schedule="<results>/schedules/order.parquet",
    log:
        "<logs>/order.log",
    benchmark:
        "<benchmarks>/order.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        steps=CONFIG.run.steps,
        batch_size=CONFIG.run.batch_size,
        seed=as_json(CONFIG.run.order_seed),
        code=fingerprint("training.order"),
    shell:
        r"""
        python -m mda.steps.training.order \
            --train {input.train:q} \
            --steps {params.steps} \
            --batch-size {params.batch_size} \
            --seed {params.seed} \
            --out {output.schedule:q} \
            >{log:q} 2>&1
        """


rule base_run:
    """Train the base model; a killed run goes on from its last save."""
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        held_out="<results>/tokens/held_out.npy",
        text=measured_text(),
        schedule="<results>/schedules/order.parquet",
        start=downloaded_start(),
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
        own_start=own_start(),
        content=content_of(own_start()),
        steps=CONFIG.run.steps,
        checkpoints=as_json(sorted(CONFIG.run.checkpoints)),
        branch_at=CONFIG.run.window.origin,
        evaluate_every=CONFIG.run.evaluate_every,
        optimizer=as_json(CONFIG.run.optimizer),
        numerics=as_json(CONFIG.numerics.of_training()),
        metrics=as_json(CONFIG.metrics),
        neurons=as_json(CONFIG.neurons()),
        resume=f"{CONFIG.results}/resume/base_run",
        code=fingerprint("training.base_run"),
    shell:
        r"""
        exec python -m mda.steps.launch {resources.gpu} mda.steps.training.base_run \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --held-out {input.held_out:q} \
            --text {input.text:q} \
            --schedule {input.schedule:q} \
            --start {input.start:q} {params.own_start:q} \
            --content {params.content:q} \
            --model {params.model:q} \
            --steps {params.steps} \
            --checkpoints {params.checkpoints:q} \
            --branch-at {params.branch_at} \
            --evaluate-every {params.evaluate_every} \
            --optimizer {params.optimizer:q} \
            --numerics {params.numerics:q} \
            --metrics-settings {params.metrics:q} \
            --neurons {params.neurons:q} \
            --save-seconds {resources.save_seconds} \
            --resume {params.resume:q} \
            --out-checkpoints {output.checkpoints:q} \
            --out-state {output.state:q} \
            --out-steps {output.steps:q} \
            --out-heads {output.heads:q} \
            >{log:q} 2>&1
        """
