# The sample browser.
# In:  the scores, and what they were computed from.
# Out: samples/tokens.parquet, the samples of highest and lowest influence on each target, token by
#      token; samples/index.html, a page to look at them, which needs no other file.


rule token_influence:
    """Compute the influence of every token of the samples of highest and lowest influence."""
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
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(60),
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        fit=as_json(CONFIG.attribution.fit),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=CONFIG.attribution.damping,
        floor=as_json(CONFIG.attribution.floor),
        samples=CONFIG.figures.browser_samples,
        targets=as_json(CONFIG.targets),
        probes=as_json(CONFIG.probes_of(CONFIG.targets)),
        probe_files=CONFIG.probe_files(),
        shortest=CONFIG.experiments.augmentation.shortest_motif,
        code=fingerprint("attribution.token_influence", CONFIG.probe_files()),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.attribution.token_influence \
            --checkpoint {params.checkpoint:q} \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --targets {input.targets:q} \
            --factors {input.factors:q} \
            --scores {input.scores:q} \
            --fit {params.fit:q} \
            --numerics {params.numerics:q} \
            --damping {params.damping} \
            --floor {params.floor} \
            --samples {params.samples} \
            --target-settings {params.targets:q} \
            --probe-settings {params.probes:q} \
            --probe-files {params.probe_files:q} \
            --shortest {params.shortest} \
            --out {output.tokens:q} \
            >{log:q} 2>&1
        """


# The page's own, and what it includes.
SAMPLES_TEMPLATES = [beside("workflow/report/samples.html.j2"), beside("workflow/report/page.html.j2")]


rule sample_browser:
    """Write the page to look at these samples."""
    input:
        tokens="<results>/samples/tokens.parquet",
        targets="<results>/heads/targets.json",
    output:
        page=report(
            "<results>/samples/index.html",
            category="Samples",
            caption="../report/sample_browser.rst",
            labels={"figure": "sample browser", "target": "all"},
        ),
    log:
        "<logs>/sample_browser.log",
    benchmark:
        "<benchmarks>/sample_browser.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        templates=SAMPLES_TEMPLATES,
        content=content_of(SAMPLES_TEMPLATES),
        experiment=as_json(CONFIG.experiment),
        checkpoint=CONFIG.attribution.checkpoint,
        strategy=CONFIG.attribution.fit.strategy,
        code=fingerprint("report.sample_browser"),
    shell:
        r"""
        python -m mda.steps.report.sample_browser \
            --tokens {input.tokens:q} \
            --targets {input.targets:q} \
            --templates {params.templates:q} \
            --experiment {params.experiment:q} \
            --checkpoint {params.checkpoint} \
            --strategy {params.strategy} \
            --out {output.page:q} \
            >{log:q} 2>&1
        """
