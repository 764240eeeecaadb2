# What the selections, the motifs and the branches read.


def probe_of_selection(wildcards):
    """The probe of a selection's target, for the methods that read it."""
    method = design.Selection.parse(wildcards.selection).method
    return as_json(CONFIG.probes[target_of_selection(wildcards).probe] if method == "bm25" else None)


def content_of_probe(wildcards):
    """What the user's own file of that probe holds, if it has one and the method reads it."""
    if design.Selection.parse(wildcards.selection).method != "bm25":
        return content_of([])(wildcards)
    target = target_of_selection(wildcards)
    return content_of(probe_data(CONFIG.probes_of([target])))(wildcards)


def own_table(wildcards):
    """The user's own table, if a selection reads it."""
    return [CONFIG.selection.own] if wildcards.selection == "own" else []


def scores_of_selection(wildcards):
    """The table of scores that a selection reads; nothing for one at random."""
    method, target, draw = design.Selection.parse(wildcards.selection)
    if method == "own":
        return []
    if method == "trajectory":
        return [f"<results>/trajectory/order-{draw}.parquet"]
    if method == variants.ALL_CHECKPOINTS:
        return variant_scores([None, *variants.checkpoints(CONFIG)])
    return [scores_of(method, target)] if draw is None else []


def outcome_of_selection(wildcards):
    """The outcome that a selection by trajectory or history reads: the first one of its target."""
    method, target, _ = design.Selection.parse(wildcards.selection)
    return CONFIG.trajectory.outcome_of(target) if method in ("trajectory", "history") else None


def matched_selection(wildcards):
    """The selection whose labels a selection at random has."""
    asked = design.Selection.parse(wildcards.selection)
    path = f"<results>/selections/influence-{asked.target}/top-{wildcards.percent}.parquet"
    return [path] if asked.method == "matched" else []


def motifs_of_selection(wildcards):
    """The motifs of a selection: this run's, or those that the configuration names."""
    own = "<results>/motifs/{selection}/top-{percent}.json"
    name, _, draw = wildcards.selection.partition(design.DRAW)
    return CONFIG.experiments.augmentation.motifs.get(name, own).replace("{seed}", draw)


def own_motifs(wildcards):
    """Those motifs, if this run makes them."""
    path = motifs_of_selection(wildcards)
    return [path] if path.startswith(("<results>/", f"{CONFIG.results}/motifs/")) else []


def other_motifs(wildcards):
    """Those motifs, if it does not."""
    return [] if own_motifs(wildcards) else [motifs_of_selection(wildcards)]


def samples_outside(wildcards):
    """For branches that swap: the samples from outside of the window."""
    kind, _, rest = wildcards.branch.partition("/")
    if kind == "swap" and CONFIG.attribution.samples == "window":
        raise WorkflowError(
            "configuration: 'studies.time.swap' needs scores of samples outside of the window; set "
            "attribution.samples to run, or swap to false."
        )
    return (
        [f"<results>/selections/{rest.replace('influence-', 'outside-', 1)}.parquet"]
        if kind == "swap"
        else []
    )
