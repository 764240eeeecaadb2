# Influence of every token.
# In:  the scores, and what they were computed from.
# Out: samples/tokens.parquet, the samples of highest and lowest influence on each target, token by token; for the
#      sample browser.


TOKEN_INFLUENCE = Step("attribution.token_influence", CONFIG.probe_files())


rule token_influence:
    """Compute the influence of every token of the samples of highest and lowest influence.

    The browsers of samples read samples/tokens.parquet. A killed job goes on from its last save.
    """
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        targets="<results>/heads/targets.json",
        factors=factors_in(""),
        scores="<results>/scores/scores.parquet",
    output:
        tokens="<results>/samples/tokens.parquet",
    log:
        "<logs>/token_influence.log",
    benchmark:
        "<benchmarks>/token_influence.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
        save_seconds=SAVE_SECONDS,
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        fit=as_json(CONFIG.attribution.fit),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=CONFIG.attribution.damping,
        floor=as_json(CONFIG.attribution.floor),
        samples=CONFIG.figures.browser_samples,
        target_settings=as_json(CONFIG.targets),
        probe_settings=as_json(CONFIG.probes_of(CONFIG.targets)),
        probe_files=CONFIG.probe_files(),
        content=content_of(probe_data(CONFIG.probes_of(CONFIG.targets))),
        shortest=CONFIG.experiments.augmentation.shortest_motif,
        resume=f"{CONFIG.results}/resume/token_influence",
        code=TOKEN_INFLUENCE.code,
    shell:
        TOKEN_INFLUENCE.command(
            ON_GPU, checkpoint="{params.checkpoint:q}", probe_files="{params.probe_files:q}"
        )
