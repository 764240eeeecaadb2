# In: the base run's checkpoints, the held-out rows, and the units of the targets and of the study of specificity.


STUDY_ABLATION = Step("studies.ablation")


rule study_ablation:
    """How much of the loss do the units of a target carry?"""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        held_out="<results>/tokens/held_out.npy",
        held_out_rows="<results>/tokens/held_out.rows.parquet",
        targets=["<results>/heads/targets.json"]
        + ([] if STUDIES.specificity is None else [f"<results>/{OTHER_UNITS}heads/targets.json"]),
    output:
        table=study_table("ablation"),
    log:
        "<logs>/study_ablation.log",
    benchmark:
        "<benchmarks>/study_ablation.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(120),
    params:
        steps=as_json(
            STUDIES.ablation.checkpoints
            or sorted({CONFIG.attribution.checkpoint, CONFIG.attribution.rank_at})
        ),
        attention=CONFIG.numerics.attention,
        metrics_settings=as_json(CONFIG.metrics),
        settings=as_json(STUDIES.ablation),
        confidence=CONFIG.evidence.confidence,
        code=STUDY_ABLATION.code,
    shell:
        STUDY_ABLATION.command(ON_GPU)
