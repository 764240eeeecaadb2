# Studies: what `snakemake evidence` adds.
# In:  scores and their variants, the runs that the studies compare, finished experiments on corpora
#      made for it.
# Out: evidence/{study}.csv, a table a study; evidence/exact.csv, the exact curvature of small models.


wildcard_constraints:
    study="|".join(STUDY_TABLES),


rule study:
    """Make the table of a study."""
    input:
        unpack(inputs_of_study),
    output:
        table=report(
            "<results>/evidence/{study}.csv",
            category="Studies",
            caption="../report/study_table.rst",
            labels={"figure": "{study} (table)", "target": "all"},
        ),
    log:
        "<logs>/study/{study}.log",
    benchmark:
        "<benchmarks>/study/{study}.jsonl"
    localrule: True
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        arguments=arguments_of_study,
        others=content_of_others,
        code=lambda wildcards: fingerprints.fingerprint(f"evidence.study_{wildcards.study}"),
    shell:
        r"""
        python -m mda.steps.evidence.study_{wildcards.study} \
            {params.arguments} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """


rule exact:
    """Hold approximate curvatures against the exact one of the same blocks."""
    input:
        checkpoints="<results>/base/checkpoints",
        tokenizer="<results>/tokens/tokenizer.json",
        train="<results>/tokens/train.npy",
        schedule="<results>/schedules/order.parquet",
        targets="<results>/heads/targets.json",
        scores=lambda wildcards: variant_scores([None, *variants.strategies(CONFIG)]),
    output:
        table=report(
            "<results>/evidence/exact.csv",
            category="Studies",
            caption="../report/study_table.rst",
            labels={"figure": "exact (table)", "target": "all"},
        ),
    log:
        "<logs>/exact.log",
    benchmark:
        "<benchmarks>/exact.jsonl"
    conda:
        "../../envs/mda.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=torch_memory,
        runtime=minutes(240),
    params:
        checkpoint=f"{CONFIG.results}/base/checkpoints/step-{CONFIG.attribution.checkpoint:06d}",
        curvatures=as_json(
            [CONFIG.attribution.fit.strategy]
            + [name.removeprefix("strategy-") for name in variants.strategies(CONFIG)]
        ),
        targets=as_json(CONFIG.targets),
        probes=as_json(CONFIG.probes_of(CONFIG.targets)),
        fit=as_json(CONFIG.attribution.fit),
        settings=as_json(None if STUDIES.curvature is None else STUDIES.curvature.exact),
        numerics=as_json(CONFIG.numerics.of_attribution()),
        damping=CONFIG.attribution.damping,
        floor=as_json(CONFIG.attribution.floor),
        steps=as_json(CONFIG.scored),
        confidence=CONFIG.evidence.confidence,
        probe_files=CONFIG.probe_files(),
        code=fingerprint("evidence.exact", CONFIG.probe_files()),
    shell:
        r"""
        python -m mda.steps.launch {resources.gpu} mda.steps.evidence.exact \
            --checkpoint {params.checkpoint:q} \
            --tokenizer {input.tokenizer:q} \
            --train {input.train:q} \
            --schedule {input.schedule:q} \
            --targets {input.targets:q} \
            --scores {input.scores:q} \
            --curvatures {params.curvatures:q} \
            --target-settings {params.targets:q} \
            --probe-settings {params.probes:q} \
            --probe-files {params.probe_files:q} \
            --fit {params.fit:q} \
            --settings {params.settings:q} \
            --numerics {params.numerics:q} \
            --damping {params.damping} \
            --floor {params.floor} \
            --steps {params.steps:q} \
            --confidence {params.confidence} \
            --out {output.table:q} \
            >{log:q} 2>&1
        """
