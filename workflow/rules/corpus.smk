# Corpus.
# In:  the source that config.yaml names (generated, local files, a table, the hub).
# Out: corpus/documents.parquet (document, text, label, origin, split), read by the tokenizer.


rule corpus:
    """Collect the documents with their labels, and hold some out."""
    output:
        documents="<results>/corpus/documents.parquet",
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
        corpus=as_json(CONFIG.corpus.in_use()),
        files=lambda wildcards: sources.fingerprint(CONFIG.corpus),
        # A download is long, too.
        before="python -m mda.attribution.checks" if CONFIG.corpus.source == "huggingface" else ":",
        code=fingerprint("corpus.corpus"),
    shell:
        r"""
        {params.before} >{log:q} 2>&1
        python -m mda.steps.corpus.corpus \
            --corpus-settings {params.corpus:q} \
            --content {params.files:q} \
            --out {output.documents:q} \
            >>{log:q} 2>&1
        """


rule merged_configuration:
    """Write down the configuration that made these results, overlays included."""
    output:
        "<results>/config.yaml",
    log:
        "<logs>/merged_configuration.log",
    localrule: True
    conda:
        "../../envs/mda.yaml"
    params:
        config=as_json(CONFIG),
        code=fingerprint("config.merged_configuration"),
    shell:
        r"""
        python -m mda.steps.config.merged_configuration \
            --merged {params.config:q} \
            --out {output:q} \
            >{log:q} 2>&1
        """
