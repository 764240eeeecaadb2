# Selections.
# In:  the scores (for influence and loss), the token store, the checkpoint (for the norm of
#      gradients), the order.
# Out: scores/controls/{selection}.parquet (step, row, score), by methods that know no influence;
#      selections/{selection}/top-{percent}.parquet (rank, score, row, step, label, excerpt); of those at
#      random, random/draw-{seed}, every order of the window has its own.


rule control_scores:
    """Score the samples by a control that needs no gradient."""
    input:
        train="<results>/tokens/train.npy",
        tokenizer="<results>/tokens/tokenizer.json",
        schedule="<results>/schedules/order.parquet",
    output:
        scores="<results>/scores/controls/{selection}.parquet",
    log:
        "<logs>/control_scores/{selection}.log",
    benchmark:
        "<benchmarks>/control_scores/{selection}.jsonl"
    wildcard_constraints:
        selection="repetition|bm25-.+",
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        method=lambda wildcards: design.Selection.parse(wildcards.selection).method,
        probe=probe_of_selection,
        steps=as_json(CONFIG.scored),
        code=fingerprint("interventions.control_scores"),
    shell:
        r"""
        python -m mda.steps.interventions.control_scores \
            --method {params.method:q} \
            --train {input.train:q} \
            --tokenizer {input.tokenizer:q} \
            --schedule {input.schedule:q} \
            --probe {params.probe:q} \
            --steps {params.steps:q} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """


rule gradient_norm:
    """Score the samples by the norm of their gradient in the target's units."""
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
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        target=lambda wildcards: as_json(target_of_selection(wildcards)),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        batch_size=CONFIG.attribution.fit.batch_size,
        steps=as_json(CONFIG.scored),
        code=fingerprint("attribution.gradient_norm"),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.attribution.gradient_norm \
            --checkpoint {params.checkpoint:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --target {params.target:q} \
            --numerics {params.numerics:q} \
            --batch-size {params.batch_size} \
            --steps {params.steps:q} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """


rule select:
    """Select the top fraction of the window's samples."""
    input:
        schedule="<results>/schedules/order.parquet",
        train="<results>/tokens/train.npy",
        train_rows="<results>/tokens/train.rows.parquet",
        tokenizer="<results>/tokens/tokenizer.json",
        scores=scores_of_selection,
        matched=matched_selection,
    output:
        selection="<results>/selections/{selection}/top-{percent}.parquet",
    log:
        "<logs>/select/{selection}/top-{percent}.log",
    benchmark:
        "<benchmarks>/select/{selection}/top-{percent}.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        method=lambda wildcards: design.Selection.parse(wildcards.selection).method,
        target=lambda wildcards: as_json(design.Selection.parse(wildcards.selection).target),
        draw=lambda wildcards: as_json(design.Selection.parse(wildcards.selection).draw),
        fraction=lambda wildcards: design.fraction_of(wildcards.percent),
        window=as_json(CONFIG.run.window),
        seed=CONFIG.selection.seed,
        characters=CONFIG.selection.excerpt_characters,
        code=fingerprint("interventions.select"),
    shell:
        r"""
        python -m mda.steps.interventions.select \
            --method {params.method:q} \
            --target {params.target:q} \
            --draw {params.draw} \
            --fraction {params.fraction} \
            --schedule {input.schedule:q} \
            --train {input.train:q} \
            --train-rows {input.train_rows:q} \
            --tokenizer {input.tokenizer:q} \
            --scores {input.scores:q} \
            --matched {input.matched:q} \
            --window {params.window:q} \
            --seed {params.seed} \
            --characters {params.characters} \
            --out {output.selection:q} \
            >{log:q} 2>&1
        """
