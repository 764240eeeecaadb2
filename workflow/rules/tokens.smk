# Tokenizer and token stores.
# In:  corpus/documents.parquet.
# Out: tokens/tokenizer.json; tokens/{train,held_out}.npy, rows of context + 1 tokens, with
#      tokens/{train,held_out}.rows.parquet, the way back to documents and labels.


rule tokenizer:
    """Train the tokenizer, or fetch the one that is named."""
    input:
        documents="<results>/corpus/documents.parquet",
        file=local_file(CONFIG.tokens.tokenizer.path),
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
        runtime=60,
    params:
        settings=as_json(CONFIG.tokens.tokenizer),
        code=code.fingerprint("tokenizer"),
    shell:
        r"""
        python -m mda.steps.tokenizer \
            --documents {input.documents:q} \
            --settings {params.settings:q} \
            --out {output.tokenizer:q} \
            >{log:q} 2>&1
        """


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
        runtime=120,
    params:
        context=CONFIG.tokens.context,
        code=code.fingerprint("tokens"),
    shell:
        r"""
        python -m mda.steps.tokens \
            --documents {input.documents:q} \
            --tokenizer {input.tokenizer:q} \
            --context {params.context} \
            --out-train {output.train:q} \
            --out-train-rows {output.train_rows:q} \
            --out-held-out {output.held_out:q} \
            --out-held-out-rows {output.held_out_rows:q} \
            >{log:q} 2>&1
        """
