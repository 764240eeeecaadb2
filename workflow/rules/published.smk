# Published checkpoints.
# In:  the hub, at the commits and hashes of workflow/pins.csv.
# Out: published/{revision}, checkpoints in Hugging Face format; published/{steps,heads}.parquet,
#      measured as the base run is.


wildcard_constraints:
    revision="|".join(map(re.escape, published_revisions())) or "none",


rule checkpoint:
    """Download a checkpoint and check its hashes."""
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
        repository=CONFIG.model.remote,
        pin=lambda wildcards: pinned("model", CONFIG.model.remote, wildcards.revision),
        code=fingerprint("hub.checkpoint"),
    shell:
        r"""
        python -m mda.attribution.checks >{log:q} 2>&1
        python -m mda.steps.hub.checkpoint \
            --repository {params.repository:q} \
            --revision {wildcards.revision:q} \
            --pin {params.pin:q} \
            --out {output.checkpoint:q} \
            >>{log:q} 2>&1
        """


rule measure_published:
    """Measure the published checkpoints inside the run."""
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        held_out="<results>/tokens/held_out.npy",
        text=measured_text(),
        checkpoints=expand("<results>/published/{revision}", revision=measured_revisions()),
    output:
        steps="<results>/published/steps.parquet",
        heads="<results>/published/heads.parquet",
    log:
        "<logs>/measure_published.log",
    benchmark:
        "<benchmarks>/measure_published.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
    params:
        steps=as_json(list(CONFIG.model.published)),
        folders=CONFIG.model.published_folders,
        content=content_of(CONFIG.model.published_folders),
        numerics=as_json(CONFIG.numerics.of_training()),
        metrics=as_json(CONFIG.metrics),
        neurons=as_json(CONFIG.neurons()),
        code=fingerprint("models.measure_published"),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.models.measure_published \
            --tokenizer {input.tokenizer:q} \
            --held-out {input.held_out:q} \
            --text {input.text:q} \
            --checkpoints {input.checkpoints:q} {params.folders:q} \
            --content {params.content:q} \
            --steps {params.steps:q} \
            --numerics {params.numerics:q} \
            --metrics-settings {params.metrics:q} \
            --neurons {params.neurons:q} \
            --out-steps {output.steps:q} \
            --out-heads {output.heads:q} \
            >{log:q} 2>&1
        """
