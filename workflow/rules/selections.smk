# Selections.
# In:  the scores (for influence and loss), the token store (for repetition), the order.
# Out: selections/{selection}/top-{percent}.parquet (rank, score, row, step, label, excerpt).


rule select:
    """Select the top fraction of the window's samples."""
    input:
        schedule="<results>/schedules/order.parquet",
        train="<results>/tokens/train.npy",
        train_rows="<results>/tokens/train.rows.parquet",
        tokenizer="<results>/tokens/tokenizer.json",
        scores=scores_if_needed,
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
        method=lambda wildcards: design.method_and_target(wildcards.selection)[0],
        target=lambda wildcards: as_json(design.method_and_target(wildcards.selection)[1]),
        fraction=lambda wildcards: design.fraction_of(CONFIG, wildcards.percent),
        window=as_json(CONFIG.run.window),
        seed=CONFIG.selection.seed,
        characters=CONFIG.selection.excerpt_characters,
        code=code.fingerprint("select"),
    shell:
        r"""
        python -m mda.steps.select \
            --method {params.method:q} \
            --target {params.target:q} \
            --fraction {params.fraction} \
            --schedule {input.schedule:q} \
            --train {input.train:q} \
            --train-rows {input.train_rows:q} \
            --tokenizer {input.tokenizer:q} \
            --scores {input.scores:q} \
            --window {params.window:q} \
            --seed {params.seed} \
            --characters {params.characters} \
            --out {output.selection:q} \
            >{log:q} 2>&1
        """
