# In: every head's metrics in the base runs, and in the runs without the samples of each unit or without as many
#     at random; the heads' scores in the base run.

REMOVED = {"random", *(f"influence-{target.name}" for target in CONFIG.all_targets)}
REMOVALS = [
    cell
    for cell in design.study_cells(CONFIG)
    if cell.intervention == "base"
    or (cell.intervention == STUDIES.specificity.kind and cell.fraction == CONFIG.main_fraction)
    and cell.selection in REMOVED
]


STUDY_CROSSED = Step("studies.crossed")


rule study_crossed:
    """What does removing the samples of one unit do to all heads?"""
    input:
        targets=["<results>/heads/targets.json", f"<results>/{OTHER_UNITS}heads/targets.json"],
        head_scores=of_runs(REMOVALS, "heads.parquet"),
        ranks="<results>/heads/scores.parquet",
    output:
        table=study_table("crossed", caption=OF_RUNS),
    log:
        "<logs>/study_crossed.log",
    benchmark:
        "<benchmarks>/study_crossed.jsonl"
    localrule: LIGHT
    conda:
        "../../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(60),
    params:
        cells=as_json(REMOVALS),
        rank_at=CONFIG.attribution.rank_at,
        threshold=CONFIG.evidence.threshold,
        confidence=CONFIG.evidence.confidence,
        code=STUDY_CROSSED.code,
    shell:
        STUDY_CROSSED.command()
