# In: the curves of the runs on random subsets, what each left out, and the scores of every method.

# What the runs left out, subset by subset.
SUBSETS = list(
    dict.fromkeys(
        f"{cell.selection}/top-{design.percent(cell.fraction)}" for cell in design.subset_cells(CONFIG)
    )
)


SCORED = scored_methods()


STUDY_DATAMODEL = Step("studies.datamodel")


rule study_datamodel:
    """Are runs on random subsets predicted by influence, and by the controls?"""
    input:
        curves="<results>/evidence/subsets/curves.parquet",
        subsets=expand("<results>/selections/{subset}.parquet", subset=SUBSETS),
        schedule="<results>/schedules/order.parquet",
        scores=[scores_of(*method) for method in SCORED],
    output:
        table=study_table("datamodel"),
    log:
        "<logs>/study_datamodel.log",
    benchmark:
        "<benchmarks>/study_datamodel.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=sorted_memory,
        runtime=minutes(60),
    params:
        methods=as_json(SCORED),
        threshold=CONFIG.evidence.threshold,
        window=as_json(CONFIG.run.window),
        confidence=CONFIG.evidence.confidence,
        code=STUDY_DATAMODEL.code,
    shell:
        STUDY_DATAMODEL.command()
