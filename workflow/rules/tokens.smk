# Tokenizer and token stores.
# In:  corpus/documents.parquet; of a corpus that is tokenized already, its published batches.
# Out: tokens/tokenizer.json; tokens/{train,held_out}.npy, rows of context + 1 tokens, with
#      tokens/{train,held_out}.rows.parquet, the way back to documents and labels; of published
#      batches also tokens/batches.parquet, where each came from, with its hash; of a text of its
#      own that runs are measured on, tokens/measured.npy.


rule tokenizer:
    """Train the tokenizer, or fetch the one that is named."""
    input:
        documents=documents_if_any(),
    output:
        tokenizer="<results>/tokens/tokenizer.json",
    log:
        "<logs>/tokenizer.log",
    benchmark:
        "<benchmarks>/tokenizer.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        settings=as_json(CONFIG.tokens.tokenizer),
        pin=pinned("model", *CONFIG.tokens.tokenizer.remote, names=["tokenizer.json"]),
        content=content_of(CONFIG.tokens.tokenizer.files),
        code=fingerprint("corpus.tokenizer"),
    shell:
        r"""
        python -m mda.steps.corpus.tokenizer \
            --documents {input.documents:q} \
            --settings {params.settings:q} \
            --pin {params.pin:q} \
            --content {params.content:q} \
            --out {output.tokenizer:q} \
            >{log:q} 2>&1
        """


if CONFIG.corpus.source == "tokenized":

    rule batches:
        """Read the published batches; a killed run goes on after its last whole batch."""
        input:
            tokenizer="<results>/tokens/tokenizer.json",
        output:
            train="<results>/tokens/train.npy",
            train_rows="<results>/tokens/train.rows.parquet",
            held_out="<results>/tokens/held_out.npy",
            held_out_rows="<results>/tokens/held_out.rows.parquet",
            batches="<results>/tokens/batches.parquet",
        log:
            "<logs>/batches.log",
        benchmark:
            "<benchmarks>/batches.jsonl"
        conda:
            "../../envs/mda.yaml"
        resources:
            downloads=1,
            mem_mb=checked_memory,
            runtime=minutes(1440),
        params:
            # Functions, for Snakemake would take {number} in a text for a wildcard.
            source=lambda wildcards: as_json(CONFIG.corpus.chosen),
            pin=lambda wildcards: pinned(
                "dataset",
                CONFIG.corpus.chosen.remote,
                CONFIG.corpus.chosen.revision,
                names=CONFIG.corpus.chosen.names,
            ),
            content=content_of(CONFIG.corpus.chosen.local_files),
            context=CONFIG.tokens.context,
            rows=CONFIG.run.steps * CONFIG.run.batch_size,
            resume=f"{CONFIG.results}/resume/batches",
            code=fingerprint("corpus.batches"),
        shell:
            r"""
            python -m mda.attribution.checks >{log:q} 2>&1
            python -m mda.steps.corpus.batches \
                --source {params.source:q} \
                --pin {params.pin:q} \
                --content {params.content:q} \
                --tokenizer {input.tokenizer:q} \
                --context {params.context} \
                --rows {params.rows} \
                --resume {params.resume:q} \
                --out-train {output.train:q} \
                --out-train-rows {output.train_rows:q} \
                --out-held-out {output.held_out:q} \
                --out-held-out-rows {output.held_out_rows:q} \
                --out-batches {output.batches:q} \
                >>{log:q} 2>&1
            """

else:

    rule tokens:
        """Tokenize the documents and pack them into rows."""
        input:
            documents="<results>/corpus/documents.parquet",
            tokenizer="<results>/tokens/tokenizer.json",
        output:
            train="<results>/tokens/train.npy",
            train_rows="<results>/tokens/train.rows.parquet",
            held_out="<results>/tokens/held_out.npy",
            held_out_rows="<results>/tokens/held_out.rows.parquet",
        log:
            "<logs>/tokens.log",
        benchmark:
            "<benchmarks>/tokens.jsonl"
        conda:
            "../../envs/mda.yaml"
        resources:
            mem_mb=table_memory,
            runtime=minutes(120),
        params:
            context=CONFIG.tokens.context,
            code=fingerprint("corpus.tokens"),
        shell:
            r"""
            python -m mda.steps.corpus.tokens \
                --documents {input.documents:q} \
                --tokenizer {input.tokenizer:q} \
                --context {params.context} \
                --out-train {output.train:q} \
                --out-train-rows {output.train_rows:q} \
                --out-held-out {output.held_out:q} \
                --out-held-out-rows {output.held_out_rows:q} \
                >{log:q} 2>&1
            """


rule measured_text:
    """Pack the text that runs are measured on, where it is one of its own."""
    input:
        tokenizer="<results>/tokens/tokenizer.json",
    output:
        rows="<results>/tokens/measured.npy",
    log:
        "<logs>/measured_text.log",
    benchmark:
        "<benchmarks>/measured_text.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        downloads=1,
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        text=as_json(CONFIG.metrics.text),
        pin=measured_pin(),
        content=measured_content,
        context=CONFIG.tokens.context,
        code=fingerprint("corpus.measured_text"),
    shell:
        r"""
        python -m mda.steps.corpus.measured_text \
            --text {params.text:q} \
            --pin {params.pin:q} \
            --content {params.content:q} \
            --tokenizer {input.tokenizer:q} \
            --context {params.context} \
            --out {output.rows:q} \
            >{log:q} 2>&1
        """
