# In: a checkpoint and the state at which branches start, the base run's order, the samples and their labels, and the
# influence of all of them.

# Of metrics that are probes, and of influence.
SANITY_PROBES = CONFIG.probes_of(CONFIG.targets)


def sanity_memory(wildcards, attempt):
    """Memory in MB, of a walk with two outcomes of each target. More on every retry."""
    return memory_of_walk(vectors_beside(2 * len(CONFIG.targets))) * attempt


STUDY_SANITY = Step("studies.sanity", probe_files.every(SANITY_PROBES))


rule study_sanity:
    """Do scores fail where they must fail?"""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        train_rows="<results>/tokens/train.rows.parquet",
        held_out="<results>/tokens/held_out.npy",
        state="<results>/base/state",
        schedule="<results>/schedules/order.parquet",
        targets="<results>/heads/targets.json",
        scores="<results>/scores/scores.parquet",
    output:
        table=study_table("sanity"),
    log:
        "<logs>/study_sanity.log",
    benchmark:
        "<benchmarks>/study_sanity.jsonl"
    conda:
        "../../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=sanity_memory,
        runtime=minutes(240),
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        target_settings=as_json(CONFIG.targets),
        probe_settings=as_json(SANITY_PROBES),
        probe_files=probe_files.every(SANITY_PROBES),
        content=content_of(probe_data(SANITY_PROBES)),
        attribution=as_json(CONFIG.attribution),
        scoring_numerics=as_json(CONFIG.numerics.of_attribution()),
        window=as_json(CONFIG.run.window),
        optimizer=as_json(CONFIG.run.optimizer),
        numerics=as_json(CONFIG.numerics.of_training()),
        metrics_settings=as_json(CONFIG.metrics),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        settings=as_json(STUDIES.sanity),
        code=STUDY_SANITY.code,
    shell:
        STUDY_SANITY.command(ON_GPU, checkpoint="{params.checkpoint:q}", probe_files="{params.probe_files:q}")
