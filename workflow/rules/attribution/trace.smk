# Models that were trained elsewhere.
# In:  their checkpoints, in folders or from the hub; the rows of tokens and the documents.
# Out: schedules/order.parquet, the rows in the parts that scoring jobs read; base/checkpoints/step-*, links to
#      the files of the checkpoints; scores/documents.parquet, the influence of every document.

if CONFIG.trace is not None:

    TRACED_ROWS = Step("attribution.traced_rows")

    rule traced_rows:
        """List in schedules/order.parquet all rows of the corpus, in the parts that scoring jobs read.

        Factors and scores read it.
        """
        input:
            train="<results>/tokens/train.npy",
        output:
            schedule="<results>/schedules/order.parquet",
        log:
            "<logs>/traced_rows.log",
        benchmark:
            "<benchmarks>/traced_rows.jsonl"
        localrule: LIGHT_STREAM
        conda:
            "../../../envs/mda.yaml"
        resources:
            mem_mb=table_memory,
            runtime=minutes(10),
        params:
            jobs=CONFIG.trace.jobs,
            rows=as_json(CONFIG.trace.rows),
            code=TRACED_ROWS.code,
        shell:
            TRACED_ROWS.command()

    TRACED_CHECKPOINTS = Step("models.traced_checkpoints")

    rule traced_checkpoints:
        """Lay the checkpoints out as a run lays out its own: base/checkpoints, with links to their files.

        `head_scores`, factors and scores read them.
        """
        input:
            tokenizer="<results>/tokens/tokenizer.json",
            downloaded=expand("<results>/published/{revision}", revision=CONFIG.trace.revisions),
        output:
            checkpoints=directory("<results>/base/checkpoints"),
        log:
            "<logs>/traced_checkpoints.log",
        benchmark:
            "<benchmarks>/traced_checkpoints.jsonl"
        conda:
            "../../../envs/mda.yaml"
        resources:
            mem_mb=checked_memory,
            runtime=minutes(30),
        params:
            own=CONFIG.trace.folders,
            own_steps=as_json(CONFIG.trace.steps_of(remote=False)),
            downloaded_steps=as_json(CONFIG.trace.steps_of(remote=True)),
            content=content_of(CONFIG.trace.folders),
            context=CONFIG.tokens.context,
            code=TRACED_CHECKPOINTS.code,
        shell:
            TRACED_CHECKPOINTS.command(check_first=True, own="{params.own:q}")

    DOCUMENT_SCORES = Step("attribution.document_scores")

    rule document_scores:
        """Sum up the scores by document, with the user's columns: scores/documents.parquet."""
        input:
            scores="<results>/scores/scores.parquet",
            train_rows="<results>/tokens/train.rows.parquet",
            documents="<results>/corpus/documents.parquet",
        output:
            documents="<results>/scores/documents.parquet",
        log:
            "<logs>/document_scores.log",
        benchmark:
            "<benchmarks>/document_scores.jsonl"
        conda:
            "../../../envs/mda.yaml"
        resources:
            mem_mb=sorted_memory,
            runtime=minutes(30),
        params:
            code=DOCUMENT_SCORES.code,
        shell:
            DOCUMENT_SCORES.command()
