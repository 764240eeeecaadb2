# Heads.
# In:  the base run's checkpoints.
# Out: heads/scores.parquet, every head of every checkpoint; heads/ranking.csv and
#      heads/targets.json, the units that the configured targets stand for.


rule head_scores:
    """Score every head of every checkpoint."""
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        checkpoints="<results>/base/checkpoints",
    output:
        scores="<results>/heads/scores.parquet",
    log:
        "<logs>/head_scores.log",
    benchmark:
        "<benchmarks>/head_scores.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
    params:
        metrics=as_json(CONFIG.metrics),
        code=fingerprint("models.heads"),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.models.heads \
            --tokenizer {input.tokenizer:q} \
            --checkpoints {input.checkpoints:q} \
            --metrics-settings {params.metrics:q} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """


rule targets:
    """Rank the heads and find the units of every target."""
    input:
        scores="<results>/heads/scores.parquet",
    output:
        targets="<results>/{place}heads/targets.json",
        ranking="<results>/{place}heads/ranking.csv",
    log:
        "<logs>/targets/{place}all.log",
    benchmark:
        "<benchmarks>/targets/{place}all.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        targets=lambda wildcards: as_json(
            {target.name: target.units for target in variants.targets(CONFIG, wildcards.place)}
        ),
        rank_at=CONFIG.attribution.rank_at,
        code=fingerprint("models.targets"),
    shell:
        r"""
        python -m mda.steps.models.targets \
            --scores {input.scores:q} \
            --rank-at {params.rank_at} \
            --targets {params.targets:q} \
            --out {output.targets:q} \
            --out-ranking {output.ranking:q} \
            >{log:q} 2>&1
        """
