# In: how close the stored gradients of each checkpoint come, gradients/checked.csv.


STUDY_STORED_GRADIENTS = Step("studies.stored_gradients")


rule study_stored_gradients:
    """How close is influence from stored gradients to influence by a pass over the samples?"""
    input:
        checked=[
            f"<results>/{place}gradients/checked.csv"
            for place in ("", *map(variants.place, variants.names(CONFIG)))
        ],
    output:
        table=study_table("stored_gradients"),
    log:
        "<logs>/study_stored_gradients.log",
    benchmark:
        "<benchmarks>/study_stored_gradients.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        code=STUDY_STORED_GRADIENTS.code,
    shell:
        STUDY_STORED_GRADIENTS.command()
