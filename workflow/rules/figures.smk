# Figures.
# In:  the tables of all stages above.
# Out: figures/{name}[/{target}].png for the report and .pdf for papers, and
#      figures/labels/{target}.csv, the numbers of that figure.

MAIN_PERCENT = design.percent(CONFIG.main_fraction)
PALETTE = as_json(CONFIG.figures.palette)


rule plot_base_run:
    """Draw the target's metric over the base run, beside published checkpoints."""
    input:
        targets="<results>/heads/targets.json",
        steps="<results>/base/steps.parquet",
        heads="<results>/base/heads.parquet",
        published=published_metrics("steps") + published_metrics("heads"),
    output:
        png=report(
            "<results>/figures/base_run/{target}.png",
            category="Units",
            caption="../report/base_run.rst",
            labels={"figure": "base run", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_base_run"),
    shell:
        r"""
        python -m mda.steps.report.plot_base_run \
            --targets {input.targets:q} \
            --steps {input.steps:q} \
            --head-scores {input.heads:q} \
            --published {input.published:q} \
            --window {params.window:q} \
            --metric {params.metric:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


rule plot_emergence:
    """Draw the target's metric over the window in every branch."""
    input:
        curves="<results>/tables/curves.parquet",
    output:
        png=report(
            "<results>/figures/emergence/{target}.png",
            category="Evidence",
            caption="../report/emergence.rst",
            labels={"figure": "emergence", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_emergence"),
    shell:
        r"""
        python -m mda.steps.report.plot_emergence \
            --curves {input.curves:q} \
            --metric {params.metric:q} \
            --threshold {params.threshold:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


rule plot_effects:
    """Draw the effect of every cell with its interval."""
    input:
        effects="<results>/tables/effects.csv",
    output:
        png=report(
            "<results>/figures/effects/{target}.png",
            category="Evidence",
            caption="../report/effects.rst",
            labels={"figure": "effects", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_effects"),
    shell:
        r"""
        python -m mda.steps.report.plot_effects \
            --effects {input.effects:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


rule plot_icl:
    """Draw the ICL score against the target's metric."""
    input:
        curves="<results>/tables/curves.parquet",
    output:
        png=report(
            "<results>/figures/icl/{target}.png",
            category="Evidence",
            caption="../report/icl.rst",
            labels={"figure": "ICL coupling", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_icl"),
    shell:
        r"""
        python -m mda.steps.report.plot_icl \
            --curves {input.curves:q} \
            --metric {params.metric:q} \
            --palette {params.palette:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


rule plot_influence:
    """Draw the distribution of influence."""
    input:
        scores="<results>/scores/scores.parquet",
    output:
        png=report(
            "<results>/figures/influence/{target}.png",
            category="Attribution",
            caption="../report/influence.rst",
            labels={"figure": "influence", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_influence"),
    shell:
        r"""
        python -m mda.steps.report.plot_influence \
            --scores {input.scores:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
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
        png=report(
            "<results>/figures/labels/{target}.png",
            category="Attribution",
            caption="../report/labels.rst",
            labels={"figure": "labels", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_labels"),
    shell:
        r"""
        python -m mda.steps.report.plot_labels \
            --schedule {input.schedule:q} \
            --train-rows {input.train_rows:q} \
            --selections {input.selections:q} \
            --names {params.names:q} \
            --window {params.window:q} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            --out-table {output.table:q} \
            >{log:q} 2>&1
        """


rule plot_samples:
    """Draw the top samples with their repeated spans marked."""
    input:
        selection=f"<results>/selections/influence-{{target}}/top-{MAIN_PERCENT}.parquet",
        train="<results>/tokens/train.npy",
        tokenizer="<results>/tokens/tokenizer.json",
    output:
        png=report(
            "<results>/figures/samples/{target}.png",
            category="Attribution",
            caption="../report/samples.rst",
            labels={"figure": "top samples", "target": "{target}"},
        ),
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
        code=fingerprint("report.plot_samples"),
    shell:
        r"""
        python -m mda.steps.report.plot_samples \
            --selection {input.selection:q} \
            --train {input.train:q} \
            --tokenizer {input.tokenizer:q} \
            --shortest {params.shortest:q} \
            --samples {params.samples:q} \
            --length {params.length} \
            --target {wildcards.target:q} \
            --dpi {params.dpi} \
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
        code=fingerprint("report.plot_heads"),
    shell:
        r"""
        python -m mda.steps.report.plot_heads \
            --scores {input.scores:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """


rule plot_study:
    """Draw a study from its table."""
    input:
        table="<results>/evidence/{study}.csv",
    output:
        png=report(
            "<results>/figures/evidence/{study}.png",
            category="Studies",
            caption="../report/study.rst",
            labels={"figure": "{study}", "target": "all"},
        ),
        pdf="<results>/figures/evidence/{study}.pdf",
    log:
        "<logs>/plot_study/{study}.log",
    benchmark:
        "<benchmarks>/plot_study/{study}.jsonl"
    wildcard_constraints:
        study="|".join(study_figures()),
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        palette=PALETTE,
        dpi=CONFIG.figures.dpi,
        code=fingerprint("report.plot_study"),
    shell:
        r"""
        python -m mda.steps.report.plot_study \
            --table {input.table:q} \
            --study {wildcards.study:q} \
            --palette {params.palette:q} \
            --dpi {params.dpi} \
            --out {output.png:q} {output.pdf:q} \
            >{log:q} 2>&1
        """
