# Selections.
# In:  the scores (of influence, loss and norm of the gradient), the token store, the order.
# Out: scores/controls/{selection}.parquet (step, row, score), by repetition, bigrams, compressibility and BM25;
#      selections/{selection}/top-{percent}.parquet (rank, score, row, step, label, excerpt); of those at
#      random, random/draw-{seed}, every order of the window has its own.


CONTROL_SCORES = Step("interventions.control_scores")


rule control_scores:
    """Score the samples by a control that needs no gradient: repetition, bigrams, compressibility, or BM25.

    `select` reads the table, scores/controls/{selection}.parquet.
    """
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
        selection="repetition|bigram|compressibility|bm25-.+",
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        method=lambda wildcards: design.Selection.parse(wildcards.selection).method,
        probe=probe_of_selection,
        content=content_of_probe,
        steps=as_json(CONFIG.scored),
        code=CONTROL_SCORES.code,
    shell:
        CONTROL_SCORES.command()


SELECT = Step("interventions.select")


rule select:
    """Select the top fraction of the window's samples: selections/{selection}/top-{percent}.parquet.

    `intervene` reads it, `motifs` too, and the figures that show samples.
    """
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
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(30),
    params:
        method=lambda wildcards: design.Selection.parse(wildcards.selection).method,
        target=lambda wildcards: as_json(design.Selection.parse(wildcards.selection).target),
        outcome=lambda wildcards: as_json(outcome_of_selection(wildcards)),
        draw=lambda wildcards: as_json(design.Selection.parse(wildcards.selection).draw),
        fraction=lambda wildcards: design.fraction_of(wildcards.percent),
        own=lambda wildcards: as_json(next(iter(own_table(wildcards)), None)),
        content=lambda wildcards: content_of(own_table(wildcards))(wildcards),
        window=as_json(CONFIG.run.window),
        seed=CONFIG.selection.seed,
        characters=CONFIG.selection.excerpt_characters,
        code=SELECT.code,
    shell:
        SELECT.command()
