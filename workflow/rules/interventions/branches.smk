# Branches: what the runs with an intervention train on.
# In:  the selections and the base run's order.
# Out: motifs/ and synthetic/{selection}/top-{percent}, the structure of selected samples and
#      new samples with it; schedules/orders/seed-{seed}.parquet, the order that all branches of a seed share;
#      schedules/branches/{branch}/seed-{seed}.parquet, what a branch changes in it.


MOTIFS = Step("interventions.motifs")


rule motifs:
    """Write down the structure of selected samples: motifs/{selection}/top-{percent}.json.

    `synthesize` reads it, and people can.
    """
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
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        top=as_json(CONFIG.experiments.augmentation.top),
        shortest=CONFIG.experiments.augmentation.shortest_motif,
        code=MOTIFS.code,
    shell:
        MOTIFS.command()


SYNTHESIZE = Step("interventions.synthesize")


rule synthesize:
    """Generate new samples from motifs, of this run or of another experiment: synthetic/{selection}/.

    `intervene` and `retrain` read them.
    """
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
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        other=other_motifs,
        content=lambda wildcards: content_of(other_motifs(wildcards))(wildcards),
        seed=CONFIG.experiments.augmentation.seed,
        samples=as_json(CONFIG.experiments.augmentation.samples),
        code=SYNTHESIZE.code,
    shell:
        SYNTHESIZE.command(
            schema="{input.schema:q} {params.other:q}", count="{params.samples:q}", out="{output.samples:q}"
        )


REORDER = Step("interventions.reorder")


rule reorder:
    """Write the order that all branches of a seed share: schedules/orders/seed-{seed}.parquet.

    `intervene`, `retrain` and `trajectory` read it.
    """
    input:
        schedule="<results>/schedules/order.parquet",
    output:
        order="<results>/schedules/orders/seed-{seed}.parquet",
    log:
        "<logs>/reorder/seed-{seed}.log",
    benchmark:
        "<benchmarks>/reorder/seed-{seed}.jsonl"
    localrule: LIGHT_STREAM
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        window=as_json(CONFIG.run.window),
        code=REORDER.code,
    shell:
        REORDER.command(seed="{wildcards.seed:q}", out="{output.order:q}")


INTERVENE = Step("interventions.intervene")


rule intervene:
    """Write what one branch changes in the order of its seed: schedules/branches/{branch}/seed-{seed}.parquet.

    `retrain` reads it.
    """
    input:
        order="<results>/schedules/orders/seed-{seed}.parquet",
        selection=part_of_branch(
            ["mask", "replace", "duplicate", "swap"], "<results>/selections/{place}.parquet"
        ),
        outside=samples_outside,
        synthetic=synthetic_of_branch,
    output:
        changes="<results>/schedules/branches/{branch}/seed-{seed}.parquet",
    log:
        "<logs>/intervene/{branch}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/intervene/{branch}/seed-{seed}.jsonl"
    wildcard_constraints:
        branch="|".join(branch for branch in BRANCHES if branch != "base") or "none",
    localrule: LIGHT_STREAM
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        kind=lambda wildcards: wildcards.branch.partition("/")[0],
        window=as_json(CONFIG.run.window),
        batch_size=CONFIG.run.batch_size,
        at_step=lambda wildcards: as_json(design.insertion_step(CONFIG, wildcards.branch)),
        code=INTERVENE.code,
    shell:
        INTERVENE.command(seed="{wildcards.seed:q}", out="{output.changes:q}")
