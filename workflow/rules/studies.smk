# Studies: what `snakemake evidence` adds, a rule and a file in `studies/` each.
# In:  scores and their variants, the runs that the studies compare, finished experiments on corpora made for it.
# Out: evidence/{study}.csv, a table for each study; figures/evidence/{study}.png for the report and .pdf for papers;
#      of controls and coupling also tables/{study}.csv, of the configured interventions;
#      {scope}/findings.csv, each claim with its verdict, of the configured interventions (tables) and of the
#      studies (evidence).
#
# The arithmetic, figure, caption and findings of a study are in workflow/mda/studies/{study}.

for study in studies_of("evidence"):

    include: f"studies/{study}.smk"


DRAWN = [study for study in studies_of("evidence") if has(study, "figure")]

PLOT_STUDY = Step("studies.figure")

for study in DRAWN:

    folder = folder_of(study, "{scope}")

    rule:
        """Draw a study from its table."""
        name:
            f"plot_study_{study}"
        input:
            table=f"<results>/{folder}/{study}.csv",
        output:
            png=report(
                f"<results>/figures/{folder}/{study}.png",
                category="Studies",
                caption=f"../mda/studies/{study}/caption.rst",
                labels={"figure": study, "target": "all"},
            ),
            pdf=f"<results>/figures/{folder}/{study}.pdf",
        log:
            f"<logs>/{record_of('plot_study', study)}.log",
        benchmark:
            f"<benchmarks>/{record_of('plot_study', study)}.jsonl"
        localrule: LIGHT
        conda:
            "../../envs/mda.yaml"
        resources:
            mem_mb=table_memory,
            runtime=minutes(30),
        params:
            study=study,
            names=as_json({} if CONFIG.trace is None else CONFIG.checkpoint_names),
            palette=PALETTE,
            width=FIGURE_WIDTH,
            dpi=CONFIG.figures.dpi,
            code=PLOT_STUDY.code,
        shell:
            PLOT_STUDY.command()


FINDINGS = Step("studies.findings")


rule findings:
    """Judge every published finding by the tables."""
    input:
        tables=tables_to_judge,
        scores="<results>/scores/scores.parquet",
    output:
        findings=report(
            "<results>/{scope}/findings.csv",
            category="Findings",
            caption="../report/findings.rst",
            labels={"figure": "findings", "target": "all"},
        ),
    log:
        "<logs>/findings/{scope}.log",
    benchmark:
        "<benchmarks>/findings/{scope}.jsonl"
    localrule: LIGHT
    conda:
        "../../envs/mda.yaml"
    resources:
        mem_mb=table_memory,
        runtime=minutes(10),
    params:
        targets=as_json([target.name for target in CONFIG.targets]),
        fraction=CONFIG.main_fraction,
        confidence=CONFIG.evidence.confidence,
        start=CONFIG.run.window.origin,
        shuffled=as_json(CONFIG.run.order_seed is not None),
        code=FINDINGS.code,
    shell:
        FINDINGS.command(scope="{wildcards.scope:q}")
