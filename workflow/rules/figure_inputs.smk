# What figures read, and which there are.


def figures():
    """The figures of all targets, for the report."""
    names = ["base_run", "emergence", "effects", "influence", "labels", "icl", "samples"]
    if CONFIG.trace is not None:
        # Without training runs there is nothing else.
        names = ["influence", "labels", "samples"]
    return ["<results>/figures/heads.png"] + expand(
        "<results>/figures/{name}/{target}.png",
        name=names,
        target=[target.name for target in CONFIG.targets],
    )


def published_metrics(name):
    """Metrics of the published checkpoints, where the configuration names some."""
    return [f"<results>/published/{name}.parquet"] if CONFIG.model.published else []


def metric_of_target(wildcards):
    """The metric that watches the target."""
    return next(target.metric for target in CONFIG.targets if target.name == wildcards.target)


def selections_of_target(wildcards):
    """The main fraction of the selections that a target's figures compare."""
    return expand(
        "<results>/selections/{selection}/top-{percent}.parquet",
        selection=design.first_draws(CONFIG, design.shown_selections(CONFIG, wildcards.target)),
        percent=design.percent(CONFIG.main_fraction),
    )


def figure_of_target(name, category, title):
    """The PNG of a figure of each target, as the report shows it; its caption has the same name."""
    return report(
        f"<results>/figures/{name}/{{target}}.png",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"figure": title, "target": "{target}"},
    )
