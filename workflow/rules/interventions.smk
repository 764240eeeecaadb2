# Interventions.
# In:  the selections, the base run's order and its state at the branching step.
# Out: motifs/ and synthetic/{selection}/top-{percent}, the structure of selected samples and
#      new samples with it; schedules/branches/{branch}/seed-{seed}.parquet, the exact training
#      stream; runs/{branch}/seed-{seed}/{steps,heads}.parquet, the metrics of that branch.
#
# A branch is `base` (the shuffled window alone) or {kind}/{selection}/top-{percent}. Those that only
# the studies compare are like the others.


ALL_CELLS = design.cells(CONFIG) + design.study_cells(CONFIG) + design.subset_cells(CONFIG)


wildcard_constraints:
    branch="|".join(sorted({design.branch(cell) for cell in ALL_CELLS})),


synthetic_samples = part_of_branch(["augment"], "<results>/synthetic/{place}.npy")


rule motifs:
    """Extract the structure of selected samples and write it down."""
    input:
        selection="<results>/selections/{selection}/top-{percent}.parquet",
        train="<results>/tokens/train.npy",
        tokenizer="<results>/tokens/tokenizer.json",
    output:
        schema="<results>/motifs/{selection}/top-{percent}.json",
    log:
        "<logs>/motifs/{selection}/top-{percent}.log",
    benchmark:
        "<benchmarks>/motifs/{selection}/top-{percent}.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        top=as_json(CONFIG.experiments.augmentation.top),
        shortest=CONFIG.experiments.augmentation.shortest_motif,
        code=fingerprint("interventions.motifs"),
    shell:
        r"""
        python -m mda.steps.interventions.motifs \
            --selection {input.selection:q} \
            --train {input.train:q} \
            --tokenizer {input.tokenizer:q} \
            --top {params.top} \
            --shortest {params.shortest} \
            --out {output.schema:q} \
            >{log:q} 2>&1
        """


rule synthesize:
    """Generate new samples from motifs, those of this run or of another experiment."""
    input:
        schema=own_motifs,
        train="<results>/tokens/train.npy",
        tokenizer="<results>/tokens/tokenizer.json",
    output:
        samples="<results>/synthetic/{selection}/top-{percent}.npy",
        rows="<results>/synthetic/{selection}/top-{percent}.rows.parquet",
    log:
        "<logs>/synthesize/{selection}/top-{percent}.log",
    benchmark:
        "<benchmarks>/synthesize/{selection}/top-{percent}.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        other=other_motifs,
        content=lambda wildcards: content_of(other_motifs(wildcards))(wildcards),
        seed=CONFIG.experiments.augmentation.seed,
        samples=as_json(CONFIG.experiments.augmentation.samples),
        code=fingerprint("interventions.synthesize"),
    shell:
        r"""
        python -m mda.steps.interventions.synthesize \
            --schema {input.schema:q} {params.other:q} \
            --train {input.train:q} \
            --tokenizer {input.tokenizer:q} \
            --seed {params.seed} \
            --count {params.samples} \
            --out {output.samples:q} \
            --out-rows {output.rows:q} \
            >{log:q} 2>&1
        """


rule intervene:
    """Write the training stream of one branch."""
    input:
        schedule="<results>/schedules/order.parquet",
        selection=part_of_branch(
            ["mask", "replace", "duplicate", "swap"], "<results>/selections/{place}.parquet"
        ),
        outside=samples_outside,
        synthetic=synthetic_samples,
    output:
        schedule="<results>/schedules/branches/{branch}/seed-{seed}.parquet",
    log:
        "<logs>/intervene/{branch}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/intervene/{branch}/seed-{seed}.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        kind=lambda wildcards: wildcards.branch.partition("/")[0],
        window=as_json(CONFIG.run.window),
        batch_size=CONFIG.run.batch_size,
        at_step=lambda wildcards: as_json(design.insertion_step(CONFIG, wildcards.branch)),
        code=fingerprint("interventions.intervene"),
    shell:
        r"""
        python -m mda.steps.interventions.intervene \
            --kind {params.kind:q} \
            --seed {wildcards.seed} \
            --schedule {input.schedule:q} \
            --window {params.window:q} \
            --batch-size {params.batch_size} \
            --at-step {params.at_step:q} \
            --selection {input.selection:q} \
            --outside {input.outside:q} \
            --synthetic {input.synthetic:q} \
            --out {output.schedule:q} \
            >{log:q} 2>&1
        """


rule retrain:
    """Train one branch from the base run's state; a killed run goes on from its last save."""
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        held_out="<results>/tokens/held_out.npy",
        text=measured_text(),
        state="<results>/base/state",
        schedule="<results>/schedules/branches/{branch}/seed-{seed}.parquet",
        synthetic=synthetic_samples,
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
        metrics=as_json(CONFIG.metrics),
        neurons=as_json(CONFIG.neurons()),
        resume=f"{CONFIG.results}/resume/{{branch}}/seed-{{seed}}",
        code=fingerprint("training.retrain"),
    shell:
        r"""
        exec python -m mda.steps.launch {resources.gpu} mda.steps.training.retrain \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --held-out {input.held_out:q} \
            --text {input.text:q} \
            --state {input.state:q} \
            --schedule {input.schedule:q} \
            --synthetic {input.synthetic:q} \
            --window {params.window:q} \
            --evaluate-every {params.evaluate_every} \
            --optimizer {params.optimizer:q} \
            --numerics {params.numerics:q} \
            --metrics-settings {params.metrics:q} \
            --neurons {params.neurons:q} \
            --save-seconds {resources.save_seconds} \
            --resume {params.resume:q} \
            --out-steps {output.steps:q} \
            --out-heads {output.heads:q} \
            >{log:q} 2>&1
        """
