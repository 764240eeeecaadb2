# What attribution reads: the configured one, or a variant of it, whose files lie in the folder `place`.


# More than any store has.
EVERY_SAMPLE = 2**53


def of_attribution(wildcards):
    """The settings of this attribution or variant of it."""
    return variants.attribution(CONFIG, wildcards.place)


def attributed_checkpoint(wildcards):
    """The checkpoint that this attribution reads."""
    return f"{CONFIG.results}/base/checkpoints/step-{of_attribution(wildcards).checkpoint:06d}"


def as_fit(wildcards):
    """How its curvature is fitted."""
    return as_json(of_attribution(wildcards).fit)


def scored_steps(wildcards):
    """The steps whose samples a job scores; of a trace the part that is the job's, see `traced_rows`."""
    shard = int(wildcards.shard)
    return as_json(CONFIG.scored if CONFIG.trace is None else (shard, shard + 1))


def samples_of_a_shard(wildcards):
    """The most samples that a job scores."""
    return CONFIG.attribution.samples_per_shard if CONFIG.trace is None else EVERY_SAMPLE


def shard_of_stream():
    """Which shard of the scored steps a job reads; the parts of a trace are its steps."""
    return "{wildcards.shard:q}" if CONFIG.trace is None else "0"


def content_of_probes(wildcards):
    """The content of what the probes of this attribution read."""
    return content_of(probe_data(CONFIG.probes_of(variants.targets(CONFIG, wildcards.place))))(wildcards)


def parts(kind):
    """An input function: all parts of a factor."""
    return lambda wildcards: expand(
        f"<results>/{wildcards.place}factors/{kind}/{{part}}.safetensors",
        part=range(of_attribution(wildcards).fit.parts),
    )


def eigenvectors(wildcards):
    """The eigenvectors, if the strategy has any."""
    has = of_attribution(wildcards).fit.has_eigenvectors
    return [f"<results>/{wildcards.place}factors/eigen.safetensors"] if has else []


def factors(wildcards):
    """The factors that the strategy needs to score."""
    return factors_in(wildcards.place)


def factors_in(place):
    """The same of the attribution in a folder."""
    fit, fitted = variants.attribution(CONFIG, place).fit, variants.fitted_in(place)
    names = (["eigen"] if fit.has_eigenvectors else []) + (["lambda"] if fit.has_lambdas else [])
    return [f"<results>/{fitted}factors/{name}.safetensors" for name in names]


def place_of_units(wildcards):
    """The folder that has the targets of this attribution, and their units."""
    other = variants.place(variants.OTHER_UNITS)
    return other if wildcards.place == other else ""


def attributed_targets(wildcards):
    """The targets that this attribution scores, with their units."""
    return f"<results>/{place_of_units(wildcards)}heads/targets.json"


def attributed_units(wildcards):
    """The units of these targets, each once."""
    return f"<results>/{place_of_units(wildcards)}heads/units.json"


def traced_documents():
    """Influence by document, which a trace makes where every row is of one."""
    return [] if CONFIG.trace is None or CONFIG.tokens.pack else ["<results>/scores/documents.parquet"]


def traced_agreement():
    """How influence at the other checkpoints of a trace agrees, if there are several."""
    several = CONFIG.trace is not None and len(CONFIG.trace.checkpoints) > 1
    return ["<results>/evidence/agreement.csv"] if several else []


def stored_gradients_checked():
    """How close influence from stored gradients is to that by a pass, if it is computed from them."""
    return [] if CONFIG.attribution.stored_gradients is None else ["<results>/evidence/stored_gradients.csv"]


def stream_of_order(wildcards):
    """The stream of an order: that of a branch without an intervention, or the base run's own."""
    if wildcards.order == "run":
        return "<results>/schedules/order.parquet"
    return f"<results>/schedules/orders/seed-{wildcards.order}.parquet"


def trajectories():
    """What walks through trainings make, if the configuration asks for any."""
    if CONFIG.trajectory is None:
        return []
    found = [f"<results>/trajectory/order-{name}.parquet" for name in CONFIG.trajectory.names]
    several = len(CONFIG.trajectory.orders) > 1
    return found + (["<results>/trajectory/mean.parquet"] if several else [])
