# Figures of every target.
# In:  the tables of all stages above.
# Out: figures/{name}[/{target}].png for the report and .pdf for papers, and
#      figures/labels/{target}.csv, the numbers of that figure.

PALETTE = as_json(CONFIG.figures.palette)


def figure_of_target(name, category, title):
    """The PNG of a figure of each target, as the report shows it; its caption has the same name."""
    return report(
        f"<results>/figures/{name}/{{target}}.png",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"figure": title, "target": "{target}"},
    )


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        window=as_json(CONFIG.run.window),
        metric=metric_of_target,
        palette=PALETTE,
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.base_run"),
    shell:
        r"""
        python -m mda.steps.figures.base_run \
            --targets {input.targets:q} \
            --steps {input.steps:q} \
            --head-scores {input.head_scores:q} \
            --published {input.published:q} \
            --window {params.window:q} \
            --metric {params.metric:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        metric=metric_of_target,
        threshold=CONFIG.evidence.threshold,
        palette=PALETTE,
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.emergence"),
    shell:
        r"""
        python -m mda.steps.figures.emergence \
            --curves {input.curves:q} \
            --metric {params.metric:q} \
            --threshold {params.threshold:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        palette=PALETTE,
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.effects"),
    shell:
        r"""
        python -m mda.steps.figures.effects \
            --effects {input.effects:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        metric=metric_of_target,
        palette=PALETTE,
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.icl"),
    shell:
        r"""
        python -m mda.steps.figures.icl \
            --curves {input.curves:q} \
            --metric {params.metric:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.influence"),
    shell:
        r"""
        python -m mda.steps.figures.influence \
            --scores {input.scores:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        names=lambda wildcards: as_json(design.shown_selections(CONFIG, wildcards.target)),
        window=as_json(CONFIG.run.window),
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.labels"),
    shell:
        r"""
        python -m mda.steps.figures.labels \
            --schedule {input.schedule:q} \
            --train-rows {input.train_rows:q} \
            --selections {input.selections:q} \
            --names {params.names:q} \
            --window {params.window:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            --out-table {output.table:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        shortest=CONFIG.experiments.augmentation.shortest_motif,
        samples=CONFIG.figures.top_samples,
        length=CONFIG.figures.sample_tokens,
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.top_samples"),
    shell:
        r"""
        python -m mda.steps.figures.top_samples \
            --selection {input.selection:q} \
            --train {input.train:q} \
            --tokenizer {input.tokenizer:q} \
            --shortest {params.shortest:q} \
            --samples {params.samples:q} \
            --length {params.length:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


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
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        dpi=CONFIG.figures.dpi,
        code=fingerprint("figures.heads"),
    shell:
        r"""
        python -m mda.steps.figures.heads \
            --scores {input.scores:q} \
            --dpi {params.dpi:q} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """
