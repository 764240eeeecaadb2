# In: the walks back through orders of the window, and the curves and streams of the same orders with samples masked.

LINEARITY_CELLS = design.linearity_cells(CONFIG)
MASKED_CELLS = [cell for cell in LINEARITY_CELLS if cell.intervention != "base"]


STUDY_LINEARITY = Step("studies.linearity")


rule study_linearity:
    """Does the derivative through training predict what masking samples does?"""
    input:
        curves="<results>/evidence/linearity/curves.parquet",
        streams=[
            f"<results>/schedules/branches/{design.branch(cell)}/seed-{cell.seed}.parquet"
            for cell in MASKED_CELLS
        ],
        walks=[f"<results>/trajectory/order-{order}.parquet" for order in CONFIG.trajectory.orders],
    output:
        table=study_table("linearity"),
    log:
        "<logs>/study_linearity.log",
    benchmark:
        "<benchmarks>/study_linearity.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(30),
    params:
        cells=as_json(MASKED_CELLS),
        orders=as_json(CONFIG.trajectory.orders),
        outcomes=as_json(CONFIG.trajectory.outcomes),
        code=STUDY_LINEARITY.code,
    shell:
        STUDY_LINEARITY.command(LISTED)
