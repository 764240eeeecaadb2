# The report.
# In:  the findings, tables and figures above, and their captions; the influence of every token; the benchmarks and
#      logs of all jobs.
# Out: samples/index.html, a page to look at the samples, which needs no other file; samples/all, a page of all scored
#      samples, and the files that it loads; samples/checkpoints, the same with influence at other checkpoints of a
#      run; report.html, what `snakemake`
#      shows (of a trace what was asked and found), and evidence.html, what `snakemake evidence` does: each one file to send; benchmarks/usage.csv, a line
#      a rule: jobs, times, memory, GPU memory.


# The page's own, and what it includes.
BROWSER_TEMPLATES = [
    beside(f"workflow/report/{name}")
    for name in ("samples.html.j2", "page.html.j2", "samples.css", "samples.js")
]


# Documents say where a row is from; generated text and published batches are from no place that has a name.
NAMED = not CONFIG.tokens.pack or CONFIG.corpus.source not in ("synthetic", "tokenized")
NAMED_ROWS = ["<results>/tokens/train.rows.parquet"] if NAMED else []
NAMED_DOCUMENTS = ["<results>/corpus/documents.parquet"] if NAMED else []


STORED = CONFIG.attribution.stored_gradients is not None
STRATEGY = CONFIG.attribution.fit.strategy + (", from stored gradients" if STORED else "")
# Which of the scored samples can be selected; None where all can.
WINDOW_OF_SCORED = CONFIG.run.window if CONFIG.trace is None and CONFIG.attribution.samples == "run" else None

SAMPLE_BROWSER = Step("report.sample_browser")


rule sample_browser:
    """Write the page to look at the samples of highest and lowest influence."""
    input:
        tokens="<results>/samples/tokens.parquet",
        targets="<results>/heads/targets.json",
        scores="<results>/scores/scores.parquet",
        train_rows=NAMED_ROWS,
        documents=NAMED_DOCUMENTS,
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
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(30),
    params:
        templates=BROWSER_TEMPLATES,
        content=content_of(BROWSER_TEMPLATES),
        experiment=as_json(CONFIG.experiment),
        checkpoint=CONFIG.checkpoint_names[CONFIG.attribution.checkpoint],
        trained=as_json(CONFIG.trace is None),
        packed=as_json(CONFIG.tokens.pack),
        strategy=STRATEGY,
        window=as_json(WINDOW_OF_SCORED),
        all_samples=as_json(CONFIG.figures.browser_characters is not None),
        code=SAMPLE_BROWSER.code,
    shell:
        SAMPLE_BROWSER.command(templates="{params.templates:q}")


ALL_SAMPLES_TEMPLATES = [
    beside(f"workflow/report/{name}")
    for name in (
        "all_samples.html.j2",
        "page.html.j2",
        "samples.css",
        "samples.js",
        *(f"all_samples/{part}.js" for part in ("data", "orders", "search", "view")),
        *(f"all_samples/{part}.js" for part in ("histogram", "scatter", "list", "begin")),
    )
]


if CONFIG.figures.browser_characters is not None:

    ALL_SAMPLES = Step("report.all_samples")

    rule all_samples:
        """Write the browser of all scored samples: samples/all/index.html and the files that it loads."""
        input:
            scores="<results>/scores/scores.parquet",
            others=lambda wildcards: variant_scores(checkpoints_shown(wildcards)),
            targets="<results>/heads/targets.json",
            train="<results>/tokens/train.npy",
            tokenizer="<results>/tokens/tokenizer.json",
            train_rows=NAMED_ROWS,
            documents=NAMED_DOCUMENTS,
        output:
            folder=directory("<results>/samples/{view}"),
        log:
            "<logs>/all_samples/{view}.log",
        benchmark:
            "<benchmarks>/all_samples/{view}.jsonl"
        wildcard_constraints:
            view="all|checkpoints",
        localrule: LIGHT
        conda:
            "../../envs/mda.yaml"
        resources:
            mem_mb=sorted_memory,
            runtime=minutes(60),
        params:
            templates=ALL_SAMPLES_TEMPLATES,
            content=content_of(ALL_SAMPLES_TEMPLATES),
            experiment=as_json(CONFIG.experiment),
            checkpoint=CONFIG.checkpoint_names[CONFIG.attribution.checkpoint],
            checkpoints=names_of_checkpoints,
            trained=as_json(CONFIG.trace is None),
            packed=as_json(CONFIG.tokens.pack),
            strategy=STRATEGY,
            window=as_json(WINDOW_OF_SCORED),
            characters=CONFIG.figures.browser_characters,
            ends=CONFIG.figures.browser_samples,
            code=ALL_SAMPLES.code,
        shell:
            ALL_SAMPLES.command(templates="{params.templates:q}")


# The page's own, what it includes, and the captions.
REPORT_TEMPLATES = [
    beside("workflow/report/report.html.j2"),
    beside("workflow/report/page.html.j2"),
    *sorted(map(str, Path(beside("workflow/report")).glob("*.rst"))),
    *sorted(map(str, Path(beside("workflow/mda/studies")).glob("*/*.rst"))),
]


if CONFIG.trace is None:

    REPORT = Step("report.report")

    rule report:
        """Write the page to send: findings with their verdicts, then every figure and table."""
        input:
            findings=lambda wildcards: f"<results>/{scope_of(wildcards.page)}/findings.csv",
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
        localrule: LIGHT
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
            checkpoints=lambda wildcards: as_json(
                wildcards.page == "evidence" and bool(compared_checkpoints())
            ),
            benchmarks=f"{CONFIG.results}/benchmarks",
            logs=f"{CONFIG.results}/logs",
            code=REPORT.code,
        shell:
            REPORT.command(templates="{params.templates:q}", items="{params.shown:q}")

else:

    TRACE_REPORT = Step("report.trace_report")

    rule trace_report:
        """Write the page to send: what was asked of a traced model, what was found, and every figure and table."""
        input:
            configuration="<results>/config.yaml",
            targets="<results>/heads/targets.json",
            scores="<results>/scores/scores.parquet",
            documents=traced_documents(),
            corpus="<results>/corpus/documents.parquet" if traced_documents() else [],
            samples="<results>/samples/tokens.parquet",
            train_rows="<results>/tokens/train.rows.parquet",
            agreement=traced_agreement(),
            stored_gradients=stored_gradients_checked(),
            labels=expand(
                "<results>/figures/labels/{target}.csv", target=[target.name for target in CONFIG.targets]
            ),
            shown=shown_of_trace(),
        output:
            page="<results>/report.html",
        log:
            "<logs>/trace_report.log",
        benchmark:
            "<benchmarks>/trace_report.jsonl"
        localrule: LIGHT
        conda:
            "../../envs/mda.yaml"
        resources:
            mem_mb=sorted_memory,
            runtime=minutes(10),
        params:
            shown=lambda wildcards, input: as_json(marked_for_report(input.shown)),
            templates=[beside("workflow/report/trace.html.j2"), *REPORT_TEMPLATES],
            content=content_of([beside("workflow/report/trace.html.j2"), *REPORT_TEMPLATES]),
            benchmarks=f"{CONFIG.results}/benchmarks",
            logs=f"{CONFIG.results}/logs",
            code=TRACE_REPORT.code,
        shell:
            TRACE_REPORT.command(templates="{params.templates:q}", items="{params.shown:q}")


USAGE = Step("report.usage")


rule usage:
    """Collect what all jobs used, at the end of a run."""
    input:
        ["<results>/tables/effects.csv", "<results>/tables/findings.csv"]
        if CONFIG.trace is None
        else traced_documents() + traced_agreement() + stored_gradients_checked(),
        figures(),
    output:
        table="<results>/benchmarks/usage.csv",
    log:
        "<logs>/usage.log",
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=1000,
        runtime=minutes(10),
    params:
        benchmarks=lambda wildcards, output: str(Path(output.table).parent),
        logs=f"{CONFIG.results}/logs",
        code=USAGE.code,
    shell:
        USAGE.command()
