# Models: what is measured of checkpoints.
# In:  the base run's checkpoints, and published ones.
# Out: published/{steps,heads}.parquet, metrics of published checkpoints, as the base run's;
#      heads/scores.parquet, every head of every checkpoint; heads/ranking.csv and
#      heads/targets.json, the units that the configured targets stand for; heads/units.json, all of them together.


MEASURE_PUBLISHED = Step("models.measure_published", WATCHED_CODE)


rule measure_published:
    """Measure the published checkpoints as the base run: published/steps.parquet and heads.parquet.

    The figure of the base run shows them beside its curves.
    """
    input:
        tokenizer="<results>/tokens/tokenizer.json",
        held_out="<results>/tokens/held_out.npy",
        text=MEASURED_ROWS,
        checkpoints=expand("<results>/published/{revision}", revision=MEASURED_REVISIONS),
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
        metrics_settings=as_json(CONFIG.metrics),
        neurons=as_json(CONFIG.neurons()),
        watched=as_json(CONFIG.watched),
        probe_settings=as_json(WATCHED_PROBES),
        probe_files=probe_files.every(WATCHED_PROBES),
        probe_content=content_of(probe_data(WATCHED_PROBES)),
        code=MEASURE_PUBLISHED.code,
    shell:
        MEASURE_PUBLISHED.command(
            ON_GPU,
            checkpoints="{input.checkpoints:q} {params.folders:q}",
            probe_files="{params.probe_files:q}",
        )


HEAD_SCORES = Step("models.heads")


rule head_scores:
    """Score every head of every checkpoint of the base run in heads/scores.parquet.

    `targets`, the figure of the heads and the studies read it.
    """
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
        metrics_settings=as_json(CONFIG.metrics),
        code=HEAD_SCORES.code,
    shell:
        HEAD_SCORES.command(ON_GPU)


TARGETS = Step("models.targets")


rule targets:
    """Rank the heads in heads/ranking.csv, and find the units of every target: heads/targets.json.

    Attribution reads the units, and so does everything that measures or draws a target.
    """
    input:
        scores="<results>/heads/scores.parquet",
    output:
        targets="<results>/{place}heads/targets.json",
        ranking="<results>/{place}heads/ranking.csv",
    log:
        "<logs>/targets/{place}all.log",
    benchmark:
        "<benchmarks>/targets/{place}all.jsonl"
    localrule: LIGHT
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
        code=TARGETS.code,
    shell:
        TARGETS.command(out="{output.targets:q}")


UNITS = Step("models.units")


rule units:
    """List the units of all targets, each once: heads/units.json.

    Factors read it, and stored gradients: another probe for the same units changes neither.
    """
    input:
        scores="<results>/heads/scores.parquet",
    output:
        units="<results>/{place}heads/units.json",
    log:
        "<logs>/units/{place}all.log",
    benchmark:
        "<benchmarks>/units/{place}all.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        named=lambda wildcards: as_json(
            sorted({unit for target in variants.targets(CONFIG, wildcards.place) for unit in target.units})
        ),
        rank_at=CONFIG.attribution.rank_at,
        code=UNITS.code,
    shell:
        UNITS.command(out="{output.units:q}")
