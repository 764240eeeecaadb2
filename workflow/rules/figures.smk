# Figures of every target.
# In:  the tables of all stages above.
# Out: figures/{name}[/{target}].png for the report and .pdf for papers, and
#      figures/labels/{target}.csv, the numbers of that figure.

PALETTE = as_json(CONFIG.figures.palette)
FIGURE_WIDTH = as_json(CONFIG.figures.width)


PLOT_BASE_RUN = Step("figures.base_run")


rule plot_base_run:
    """Draw the target's metric over the base run, beside published checkpoints."""
    input:
        targets="<results>/heads/targets.json",
        steps="<results>/base/steps.parquet",
        head_scores="<results>/base/heads.parquet",
        published=published_metrics("steps") + published_metrics("heads"),
    output:
        png=figure_of_target("base_run", "Units", "base run"),
        pdf="<results>/figures/base_run/{target}.pdf",
    log:
        "<logs>/plot_base_run/{target}.log",
    benchmark:
        "<benchmarks>/plot_base_run/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        window=as_json(CONFIG.run.window),
        metric=metric_of_target,
        palette=PALETTE,
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_BASE_RUN.code,
    shell:
        PLOT_BASE_RUN.command(target="{wildcards.target:q}")


PLOT_EMERGENCE = Step("figures.emergence")


rule plot_emergence:
    """Draw the target's metric over the window in every branch."""
    input:
        curves="<results>/tables/curves.parquet",
    output:
        png=figure_of_target("emergence", "Evidence", "emergence"),
        pdf="<results>/figures/emergence/{target}.pdf",
    log:
        "<logs>/plot_emergence/{target}.log",
    benchmark:
        "<benchmarks>/plot_emergence/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        metric=metric_of_target,
        threshold=CONFIG.evidence.threshold,
        confidence=CONFIG.evidence.confidence,
        window=as_json(CONFIG.run.window),
        scored_at=CONFIG.attribution.checkpoint,
        palette=PALETTE,
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_EMERGENCE.code,
    shell:
        PLOT_EMERGENCE.command(target="{wildcards.target:q}")


PLOT_EFFECTS = Step("figures.effects")


rule plot_effects:
    """Draw the effect of every cell with its interval."""
    input:
        effects="<results>/tables/effects.csv",
    output:
        png=figure_of_target("effects", "Evidence", "effects"),
        pdf="<results>/figures/effects/{target}.pdf",
    log:
        "<logs>/plot_effects/{target}.log",
    benchmark:
        "<benchmarks>/plot_effects/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        palette=PALETTE,
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_EFFECTS.code,
    shell:
        PLOT_EFFECTS.command(target="{wildcards.target:q}")


PLOT_ICL = Step("figures.icl")


rule plot_icl:
    """Draw the ICL score against the target's metric."""
    input:
        curves="<results>/tables/curves.parquet",
    output:
        png=figure_of_target("icl", "Evidence", "ICL coupling"),
        pdf="<results>/figures/icl/{target}.pdf",
    log:
        "<logs>/plot_icl/{target}.log",
    benchmark:
        "<benchmarks>/plot_icl/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        metric=metric_of_target,
        palette=PALETTE,
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_ICL.code,
    shell:
        PLOT_ICL.command(target="{wildcards.target:q}")


PLOT_INFLUENCE = Step("figures.influence")


rule plot_influence:
    """Draw the distribution of influence."""
    input:
        scores="<results>/scores/scores.parquet",
    output:
        png=figure_of_target("influence", "Attribution", "influence"),
        pdf="<results>/figures/influence/{target}.pdf",
    log:
        "<logs>/plot_influence/{target}.log",
    benchmark:
        "<benchmarks>/plot_influence/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(30),
    params:
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_INFLUENCE.code,
    shell:
        PLOT_INFLUENCE.command(target="{wildcards.target:q}")


PLOT_LABELS = Step("figures.labels")


rule plot_labels:
    """Draw the share of every label among the selected samples."""
    input:
        schedule="<results>/schedules/order.parquet",
        train_rows="<results>/tokens/train.rows.parquet",
        selections=selections_of_target,
    output:
        png=figure_of_target("labels", "Attribution", "labels"),
        pdf="<results>/figures/labels/{target}.pdf",
        table="<results>/figures/labels/{target}.csv",
    log:
        "<logs>/plot_labels/{target}.log",
    benchmark:
        "<benchmarks>/plot_labels/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        names=lambda wildcards: as_json(design.shown_selections(CONFIG, wildcards.target)),
        window=as_json(CONFIG.run.window),
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_LABELS.code,
    shell:
        PLOT_LABELS.command(target="{wildcards.target:q}", out="{output.png:q} {output.pdf:q}")


PLOT_SAMPLES = Step("figures.top_samples")

# The sample browser has the top of all steps instead.
TOP_AMONG = (
    f"those of steps {CONFIG.run.window.start} to {CONFIG.run.window.stop - 1}"
    if CONFIG.trace is None
    else "all rows"
)


rule plot_samples:
    """Draw the top samples with their repeated spans marked."""
    input:
        selection=f"<results>/selections/influence-{{target}}/top-{design.percent(CONFIG.main_fraction)}.parquet",
        train="<results>/tokens/train.npy",
        tokenizer="<results>/tokens/tokenizer.json",
    output:
        png=figure_of_target("samples", "Attribution", "top samples"),
        pdf="<results>/figures/samples/{target}.pdf",
    log:
        "<logs>/plot_samples/{target}.log",
    benchmark:
        "<benchmarks>/plot_samples/{target}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        shortest=CONFIG.experiments.augmentation.shortest_motif,
        samples=CONFIG.figures.top_samples,
        length=CONFIG.figures.sample_tokens,
        among=TOP_AMONG,
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_SAMPLES.code,
    shell:
        PLOT_SAMPLES.command(target="{wildcards.target:q}")


PLOT_HEADS = Step("figures.heads")


rule plot_heads:
    """Draw the metrics of every head at every checkpoint."""
    input:
        scores="<results>/heads/scores.parquet",
    output:
        png=report(
            "<results>/figures/heads.png",
            category="Units",
            caption="../report/heads.rst",
            labels={"figure": "heads", "target": "all"},
        ),
        pdf="<results>/figures/heads.pdf",
    log:
        "<logs>/plot_heads.log",
    benchmark:
        "<benchmarks>/plot_heads.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        names=as_json(CONFIG.checkpoint_names),
        width=FIGURE_WIDTH,
        dpi=CONFIG.figures.dpi,
        code=PLOT_HEADS.code,
    shell:
        PLOT_HEADS.command()
