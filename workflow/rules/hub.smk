# Published checkpoints.
# In:  the hub, at the commits and hashes of workflow/pins.csv.
# Out: published/{revision}, checkpoints in Hugging Face format.

# Where checkpoints are downloaded from.
REPOSITORY = CONFIG.model.remote if CONFIG.trace is None else CONFIG.trace.repository

CHECKPOINT = Step("hub.checkpoint")


rule checkpoint:
    """Download published/{revision}, a checkpoint, and check its hashes.

    The base run starts from one; `measure_published` reads the others.
    """
    output:
        checkpoint=directory("<results>/published/{revision}"),
    log:
        "<logs>/checkpoint/{revision}.log",
    benchmark:
        "<benchmarks>/checkpoint/{revision}.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        downloads=1,
        mem_mb=checked_memory,
        runtime=minutes(120),
    params:
        repository=REPOSITORY,
        pin=lambda wildcards: pinned("model", REPOSITORY, wildcards.revision),
        code=CHECKPOINT.code,
    shell:
        CHECKPOINT.command(check_first=True, revision="{wildcards.revision:q}")
