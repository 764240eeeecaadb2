# Which studies there are, and what they read.

from mda.planning.scopes import OF_EACH_SCOPE

STUDIES = CONFIG.studies
# The units of the study of specificity have an attribution of their own.
OTHER_UNITS = variants.place(variants.OTHER_UNITS)


def inserts():
    """Whether samples are inserted anywhere: in this experiment, or in one that has its motifs."""
    kinds = {cell.intervention for cell in design.study_cells(CONFIG)}
    return bool({"augment", "duplicate"} & kinds or STUDIES.at_once or STUDIES.larger)


def kind_of_controls(scope):
    """The intervention at which ways to select are compared in the runs of a folder; None where there is none."""
    if scope == "evidence" and STUDIES.controls is not None:
        return STUDIES.controls.kind
    return design.compared_kind(CELLS_OF[scope], CONFIG.main_fraction)


# Study -> whether it is configured, in the order of the report.
CONFIGURED = {
    "coupling": True,
    "enrichment": True,
    "tail": True,
    "stream": True,
    "augmentation": inserts(),
    "dose": STUDIES.dose is not None,
    "agreement": bool(variants.names(CONFIG)),
    "controls": kind_of_controls("evidence") is not None,
    "overlap": STUDIES.specificity is not None,
    "crossed": STUDIES.specificity is not None,
    "ablation": STUDIES.ablation is not None,
    "checkpoints": bool(variants.checkpoint_methods(CONFIG)),
    "datamodel": STUDIES.datamodel is not None,
    "placebo": STUDIES.datamodel is not None,
    "linearity": STUDIES.linearity is not None,
    "sanity": STUDIES.sanity is not None,
    "recovery": STUDIES.validity is not None,
    "null": STUDIES.validity is not None and STUDIES.validity.none is not None,
    "replication": bool(STUDIES.replications),
    "contrasts": STUDIES.contrasts is not None,
    "stored_gradients": CONFIG.attribution.stored_gradients is not None,
    "exact": STUDIES.curvature is not None and STUDIES.curvature.exact is not None,
}
# Of what `snakemake` makes anyway; the others ask for more.
PLAIN_STUDIES = ["enrichment", "tail", "stream", *OF_EACH_SCOPE]
# Study -> what it reads of other experiments. Such files are no inputs: they count by content, see
# mda.runtime.external_files.
OTHER_RESULTS = {}


def studies_of(scope):
    """The studies of a folder of effects: all that are configured, or the plain ones."""
    plain = [study for study in PLAIN_STUDIES if study != "controls" or kind_of_controls(scope) is not None]
    return [study for study in CONFIGURED if CONFIGURED[study] and (scope == "evidence" or study in plain)]


def folder_of(study, scope):
    """Where a study's table lies: of some, every folder of effects has the table of its own runs."""
    return scope if study in OF_EACH_SCOPE else "evidence"


def record_of(maker, study):
    """Where the log of a study's step lies, without its ending: of a folder of effects, where several have it."""
    return f"{maker}_{study}/{{scope}}" if study in OF_EACH_SCOPE else f"{maker}_{study}"


def has(study, part):
    """Whether a study has a `figure` or a `finding`."""
    return (SOURCE / "workflow" / "mda" / "studies" / study / f"{part}.py").is_file()


# The caption of a table whose lines compare runs.
OF_RUNS = "../../report/study_of_runs.rst"


def study_table(study, caption="../../report/study_table.rst"):
    """The table of a study, as the report shows it."""
    return shown_table(f"<results>/evidence/{study}.csv", study, caption)


def study_table_of_each_scope(study, caption="../../report/study_table.rst"):
    """The same of a study of which every folder of effects has one."""
    return shown_table(f"<results>/{{scope}}/{study}.csv", study, caption)


def shown_table(path, study, caption):
    """A study's table with what the report says of it."""
    return report(
        path, category="Studies", caption=caption, labels={"figure": f"{study} (table)", "target": "all"}
    )


@cache
def say_not_run(study, names):
    """Say once that a study waits for experiments."""
    logger.error(
        f"The study {study} reads finished experiments, of which these have not been run: {', '.join(names)}. "
        "Run them first, or take their names out of the section studies."
    )


def not_run(*studies):
    """An input function: what is missing of the other experiments that studies read, after a sentence on it.

    The study waits for all of them. As an input that no rule makes, each ends the plan and is named.
    """

    def missing(wildcards):
        lacking = {
            study: [path for path in OTHER_RESULTS.get(study, []) if not Path(path).exists()]
            for study in studies
        }
        for study, paths in lacking.items():
            if paths:
                say_not_run(study, tuple(sorted({Path(path).parts[1] for path in paths})))
        return sum(lacking.values(), [])

    return missing


def variant_scores(names):
    """Tables of scores of variants of the attribution."""
    return [f"<results>/{variants.place(name)}scores/scores.parquet" for name in names]


def study_tables(scope):
    """The tables of the studies."""
    return [f"<results>/{folder_of(study, scope)}/{study}.csv" for study in studies_of(scope)]


def study_figures(scope):
    """The figures of the studies that have one."""
    return [
        f"<results>/figures/{folder_of(study, scope)}/{study}.png"
        for study in studies_of(scope)
        if has(study, "figure")
    ]


def tables_to_judge(wildcards):
    """The tables that findings are judged by."""
    judged = [study for study in studies_of(wildcards.scope) if has(study, "finding")]
    return [f"<results>/{wildcards.scope}/effects.csv"] + [
        f"<results>/{folder_of(study, wildcards.scope)}/{study}.csv" for study in judged
    ]


def scored_methods():
    """Methods that give every sample a score, each with its target: influence by all curvatures, and controls."""
    methods = ["influence", "loss", *variants.other_curvatures(CONFIG)]
    if STUDIES.controls is not None:
        methods += [method for method in STUDIES.controls.selections if method in CONTROLS]
    return [
        (method, design.Selection.parse(name).target)
        for method in methods
        for name in selections_of(CONFIG, method)
    ]
