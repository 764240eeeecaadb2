# What the report shows, and which figures and tables there are of it.

from snakemake.io import get_flag_value


def scope_of(page):
    """The folder of a page's effects and findings."""
    return "evidence" if page == "evidence" else "tables"


def shown_on_page(wildcards):
    """The figures and tables of a page, in its order."""
    scope = scope_of(wildcards.page)
    return [
        "<results>/samples/index.html",
        *figures(),
        f"<results>/{scope}/effects.csv",
        *study_figures(scope),
        *study_tables(scope),
    ]


def shown_of_trace():
    """The figures and tables of a trace, in the order of its page."""
    compared = (("agreement", traced_agreement()), ("stored_gradients", stored_gradients_checked()))
    found = [
        path
        for name, table in compared
        if table
        for path in (f"<results>/figures/evidence/{name}.png", *table)
    ]
    return ["<results>/samples/index.html", *figures(), *found]


def question_of(labels):
    """What a study asks: what its rule says first. Other results ask nothing."""
    name = f"study_{labels['figure'].removesuffix(' (table)')}"
    return workflow.get_rule(name).docstring if workflow.is_rule(name) else ""


def marked_for_report(paths):
    """What `report(...)` says in the rules about each of these files."""
    found = []
    for path in paths:
        for maker in workflow.rules:
            for output in maker.output:
                mark, match = get_flag_value(output, "report"), output.match(path)
                if mark is not None and match:
                    named = match.groupdict()
                    found.append(
                        {
                            "path": path,
                            "rule": maker.name,
                            "category": mark.category,
                            "labels": {key: text.format(**named) for key, text in mark.labels.items()},
                            "caption": os.path.relpath(mark.caption.get_path_or_uri(secret_free=True)),
                            "wildcards": named,
                            "question": question_of(mark.labels),
                        }
                    )
    return found


def compared_checkpoints():
    """The browser of all samples at several checkpoints of a run, if there are several and one wants it."""
    made = CONFIG.figures.browser_characters is not None and CONFIG.trace is None
    return ["<results>/samples/checkpoints"] if made and variants.checkpoints(CONFIG) else []


def checkpoints_shown(wildcards):
    """The other checkpoints whose influence a browser of all samples shows: of a run those of the studies."""
    every = CONFIG.trace is not None or wildcards.view == "checkpoints"
    return variants.checkpoints(CONFIG) if every else []


def names_of_checkpoints(wildcards):
    """What these are called."""
    steps = [int(dict(variants.changes(name))["checkpoint"]) for name in checkpoints_shown(wildcards)]
    return as_json([CONFIG.checkpoint_names[step] for step in steps])
