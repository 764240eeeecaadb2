# The report.
# In:  all tables and figures above; their captions.
# Out: {scope}/findings.csv, each claim with its verdict, of the configured interventions (tables) and of
#      the studies (evidence); report.html, what `snakemake` shows, and evidence.html, what
#      `snakemake evidence` does: each one file to send.


rule findings:
    """Judge every published finding by the tables."""
    input:
        tables=tables_to_judge,
        scores="<results>/scores/scores.parquet",
    output:
        findings=report(
            "<results>/{scope}/findings.csv",
            category="Findings",
            caption="../report/findings.rst",
            labels={"figure": "findings", "target": "all"},
        ),
    log:
        "<logs>/findings/{scope}.log",
    benchmark:
        "<benchmarks>/findings/{scope}.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        targets=as_json([target.name for target in CONFIG.targets]),
        fraction=MAIN_FRACTION,
        confidence=CONFIG.evidence.confidence,
        start=CONFIG.run.window.origin,
        shuffled=as_json(CONFIG.run.order_seed is not None),
        code=fingerprint("evidence.findings"),
    shell:
        r"""
        python -m mda.steps.evidence.findings \
            --tables {input.tables:q} \
            --scores {input.scores:q} \
            --targets {params.targets:q} \
            --fraction {params.fraction} \
            --confidence {params.confidence} \
            --start {params.start} \
            --scope {wildcards.scope:q} \
            --shuffled {params.shuffled} \
            --out {output.findings:q} \
            >{log:q} 2>&1
        """


# The page's own, what it includes, and the captions.
REPORT_TEMPLATES = [
    beside("workflow/report/report.html.j2"),
    beside("workflow/report/page.html.j2"),
    *sorted(map(str, Path(beside("workflow/report")).glob("*.rst"))),
]


rule report:
    """Write the page to send: findings with their verdicts, then every figure and table."""
    input:
        findings=findings_of_page,
        configuration="<results>/config.yaml",
        targets="<results>/heads/targets.json",
        shown=shown_on_page,
    output:
        page="<results>/{page}.html",
    log:
        "<logs>/report/{page}.log",
    benchmark:
        "<benchmarks>/report/{page}.jsonl"
    wildcard_constraints:
        page="report|evidence",
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        shown=lambda wildcards, input: as_json(marked_for_report(input.shown)),
        templates=REPORT_TEMPLATES,
        content=content_of(REPORT_TEMPLATES),
        complete=lambda wildcards: as_json(wildcards.page == "evidence"),
        code=fingerprint("report.report"),
    shell:
        r"""
        python -m mda.steps.report.report \
            --findings {input.findings:q} \
            --configuration {input.configuration:q} \
            --targets {input.targets:q} \
            --templates {params.templates:q} \
            --items {params.shown:q} \
            --complete {params.complete} \
            --out {output.page:q} \
            >{log:q} 2>&1
        """
