# What each study reads and is told, and where what it shows stands.

STUDIES = CONFIG.studies
MAIN_FRACTION = CONFIG.main_fraction
# What an experiment without a name is called in tables.
EXPERIMENT = CONFIG.experiment or "this"


def variant_scores(names):
    """Tables of scores of variants."""
    return [f"<results>/{variants.place(name)}scores/scores.parquet" for name in names]


def scored_methods():
    """Methods that give every sample a score, each with its target: influence by all curvatures, and controls."""
    methods = ["influence", "loss"]
    methods += variants.other_curvatures(CONFIG)
    if STUDIES.controls is not None:
        methods += [method for method in STUDIES.controls.selections if method in selection.CONTROLS]
    pairs = []
    for method in methods:
        for name in selections_of(CONFIG, method):
            pairs.append((method, design.Selection.parse(name).target))
    return pairs


def removals():
    """The runs of the study of specificity: without the samples of each unit, at random, and the base."""
    kind, wanted = STUDIES.specificity.kind, {f"influence-{target.name}" for target in CONFIG.all_targets}
    return [
        cell
        for cell in design.study_cells(CONFIG)
        if cell.intervention == "base"
        or (cell.intervention == kind and cell.fraction == MAIN_FRACTION)
        and cell.selection in wanted | {"random"}
    ]


OTHER_UNITS = variants.place(variants.OTHER_UNITS)
SUBSETS = design.subset_cells(CONFIG)


def study_tables():
    """Study -> its inputs, and its settings; both are arguments of the step study_{study}.

    Only what is configured is here.
    """
    scores, targets = "<results>/scores/scores.parquet", "<results>/heads/targets.json"
    confidence, window = {"confidence": CONFIG.evidence.confidence}, {"window": CONFIG.run.window}
    main = {"fraction": MAIN_FRACTION, **confidence}
    # As whom -> the experiment.
    others = {"at-once": STUDIES.at_once, "larger": STUDIES.larger}
    others = {role: name for role, name in others.items() if name is not None}
    metrics = {target.name: target.metric for target in CONFIG.targets}
    found = {
        "coupling": ({"outcomes": "<results>/evidence/outcomes.csv"}, confidence),
        "enrichment": (
            {
                "scores": scores,
                "train": "<results>/tokens/train.npy",
                "tokenizer": "<results>/tokens/tokenizer.json",
            },
            {"seed": CONFIG.selection.seed, **window, **main},
        ),
        "tail": ({"scores": scores}, {"seed": CONFIG.selection.seed, **main}),
        "stream": (
            {
                "scores": scores,
                "targets": targets,
                "steps": "<results>/base/steps.parquet",
                "head_scores": "<results>/base/heads.parquet",
            },
            {"metrics": metrics, **confidence},
        ),
    }
    if others or {"augment", "duplicate"} & {cell.intervention for cell in CELLS_OF["evidence"]}:
        found["augmentation"] = (
            {
                of: [
                    f"<results>/evidence/{of}.csv",
                    *(f"results/{name}/tables/{of}.csv" for name in others.values()),
                ]
                for of in ("effects", "outcomes")
            },
            {"experiments": {"own": EXPERIMENT, **others}, **main},
        )
    if STUDIES.dose is not None:
        dose = STUDIES.dose
        found["dose"] = (
            {"effects": "<results>/evidence/effects.csv"},
            {"curves": {curve.kind: curve.selections for curve in dose.curves}, **confidence},
        )
    names = variants.names(CONFIG)
    if names:
        found["agreement"] = (
            {"configured": scores, "variants": variant_scores(names)},
            {"names": names, **main},
        )
    if STUDIES.controls is not None:
        found["controls"] = (
            {"outcomes": "<results>/evidence/outcomes.csv"},
            {"kind": STUDIES.controls.kind, **main},
        )
    if STUDIES.specificity is not None:
        places = ["", OTHER_UNITS]
        both = {"targets": [f"<results>/{place}heads/targets.json" for place in places]}
        found["overlap"] = (
            {"scores": [f"<results>/{place}scores/scores.parquet" for place in places], **both},
            {
                "metrics": {target.name: target.metric for target in CONFIG.all_targets},
                **window,
                **main,
            },
        )
        found["crossed"] = (
            {
                "head_scores": of_runs(removals(), "heads.parquet"),
                "ranks": "<results>/heads/scores.parquet",
                **both,
            },
            {
                "cells": removals(),
                "rank_at": CONFIG.attribution.rank_at,
                "threshold": CONFIG.evidence.threshold,
                **confidence,
            },
        )
    if STUDIES.datamodel is not None:
        methods = scored_methods()
        found["datamodel"] = (
            {
                "curves": "<results>/evidence/subsets/curves.parquet",
                "subsets": [
                    f"<results>/selections/{place}.parquet"
                    for place in dict.fromkeys(
                        f"{cell.selection}/top-{design.percent(cell.fraction)}" for cell in SUBSETS
                    )
                ],
                "schedule": "<results>/schedules/order.parquet",
                "scores": [scores_of(*method) for method in methods],
            },
            {"methods": methods, "threshold": CONFIG.evidence.threshold, **window, **confidence},
        )
        found["placebo"] = (
            {"curves": "<results>/evidence/subsets/curves.parquet"},
            {
                "pairs": len(STUDIES.seeds or CONFIG.experiments.seeds),
                "threshold": CONFIG.evidence.threshold,
                "seed": CONFIG.selection.seed,
                **confidence,
            },
        )
    if STUDIES.validity is not None:
        corpora = STUDIES.validity.corpora
        found["recovery"] = (
            {
                "scores": [f"results/{name}/scores/scores.parquet" for name in corpora],
                "stores": [f"results/{name}/tokens/train.npy" for name in corpora],
                "units": [f"results/{name}/heads/targets.json" for name in corpora],
                "configurations": [f"results/{name}/config.yaml" for name in corpora],
            },
            {
                "corpora": corpora,
                "label": STUDIES.validity.label,
                "decoy": STUDIES.validity.decoy or "",
                **main,
            },
        )
        if STUDIES.validity.none is not None:
            null = {"effects": f"results/{STUDIES.validity.none}/tables/effects.csv"}
            found["null"] = (null, confidence)
    if STUDIES.replications:
        found["replication"] = (
            {"outcomes": [f"results/{name}/tables/outcomes.csv" for name in STUDIES.replications]},
            {"experiments": STUDIES.replications, "start": CONFIG.run.window.origin, **main},
        )
    return found


STUDY_TABLES = study_tables()


def as_list(paths):
    """One path or several as several."""
    return paths if isinstance(paths, list) else [paths]


def read_by_study(study, own):
    """What a study reads, of this experiment (`own`) or of others, by the names of the step's arguments."""
    inputs, _ = STUDY_TABLES[study]
    return {
        name: [path for path in as_list(paths) if path.startswith("<results>/") == own]
        for name, paths in inputs.items()
    }


def other_experiments(study):
    """What a study reads of other experiments."""
    return [path for found in read_by_study(study, own=False).values() for path in found]


def not_run(studies):
    """Of the other experiments that studies read, what is missing: as an input it is named."""
    return [path for study in studies for path in other_experiments(study) if not Path(path).exists()]


def inputs_of_study(wildcards):
    """The inputs of a study; other experiments' results that are there are none, see mda.runtime.external_files."""
    return {**read_by_study(wildcards.study, own=True), "missing": not_run([wildcards.study])}


def content_of_others(wildcards):
    """What a study reads of other experiments, by content."""
    return content_of(other_experiments(wildcards.study))(wildcards)


def arguments_of_study(wildcards, input):
    """Inputs and settings of a study as its step's command line."""
    _, settings = STUDY_TABLES[wildcards.study]
    words = []
    for name, others in read_by_study(wildcards.study, own=False).items():
        words += [f"--{name.replace('_', '-')}", *as_list(input[name]), *others]
    for name, value in settings.items():
        words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else as_json(value)]
    return shlex.join(words)


def has_exact():
    """Whether influence is held against the exact curvature."""
    return STUDIES.curvature is not None and STUDIES.curvature.exact is not None


def study_figures():
    """The studies that have a figure of their own."""
    return [name for name in STUDY_TABLES if name != "tail"] + (["exact"] if has_exact() else [])
