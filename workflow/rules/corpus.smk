# Corpus, tokenizer and rows of tokens.
# In:  the source that config.yaml names: generated text, local files, a table, the hub, or published
#      batches that are tokenized already.
# Out: corpus/documents.parquet (document, text, label, origin, split) and corpus/summary.json, with
#      its hash, but of published batches;
#      tokens/tokenizer.json; tokens/{train,held_out}.npy, rows of context + 1 tokens, with
#      tokens/{train,held_out}.rows.parquet, the way back to documents and labels; of published
#      batches also tokens/batches.parquet, where each came from, with its hash; where runs are
#      measured on a text of its own, tokens/measured.npy.

TOKENIZED = CONFIG.corpus.source == "tokenized"
TEXT = CONFIG.metrics.text
# The rows that runs are measured on, where these are of a text of its own.
MEASURED_ROWS = [] if TEXT is None else ["<results>/tokens/measured.npy"]


CORPUS = Step("corpus.corpus")


rule corpus:
    """Collect all documents with their labels in corpus/documents.parquet, and hold some out.

    `tokenizer` and `tokens` read it.
    """
    output:
        documents="<results>/corpus/documents.parquet",
        summary="<results>/corpus/summary.json",
    log:
        "<logs>/corpus.log",
    benchmark:
        "<benchmarks>/corpus.jsonl"
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=checked_memory if CONFIG.corpus.source == "huggingface" else table_memory,
        runtime=minutes(60),
    params:
        corpus_settings=as_json(CONFIG.corpus.in_use()),
        content=content_of_corpus,
        code=CORPUS.code,
    shell:
        # A download takes long.
        CORPUS.command(check_first=CONFIG.corpus.source == "huggingface", out="{output.documents:q}")


TOKENIZER = Step("corpus.tokenizer")


rule tokenizer:
    """Train the tokenizer, or fetch the one that is named, into tokens/tokenizer.json.

    Everything that reads or shows text reads it.
    """
    input:
        documents=[] if TOKENIZED else ["<results>/corpus/documents.parquet"],
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
        code=TOKENIZER.code,
    shell:
        TOKENIZER.command()


if TOKENIZED:

    BATCHES = Step("corpus.batches")

    rule batches:
        """Read the published batches into the rows of tokens/train.npy and tokens/held_out.npy.

        Training and attribution read them. A killed job goes on after its last whole batch.
        """
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
            rows=CONFIG.rows_read,
            resume=f"{CONFIG.results}/resume/batches",
            code=BATCHES.code,
        shell:
            BATCHES.command(check_first=True)

else:

    TOKENS = Step("corpus.tokens")

    rule tokens:
        """Tokenize the documents and pack them into the rows of tokens/train.npy and tokens/held_out.npy.

        Training and attribution read them.
        """
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
            pack_documents=as_json(CONFIG.tokens.pack),
            code=TOKENS.code,
        shell:
            TOKENS.command()


MEASURED_TEXT = Step("corpus.measured_text")


rule measured_text:
    """Pack the text that runs are measured on, where it is one of its own, into tokens/measured.npy.

    The training runs and `measure_published` read it.
    """
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
        text=as_json(TEXT),
        pin=(
            as_json(None)
            if TEXT is None or TEXT.remote is None
            else pinned("dataset", TEXT.remote, TEXT.revision, names=[TEXT.file])
        ),
        content=content_of([] if TEXT is None or TEXT.local is None else [TEXT.local]),
        context=CONFIG.tokens.context,
        code=MEASURED_TEXT.code,
    shell:
        MEASURED_TEXT.command()
