"""The cost of an experiment (tokens, retrainings, disk), computed from its configuration alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from mda.config.experiment import Config
from mda.config.unit_sections import LAYER_PATTERN
from mda.planning import design, kept_states, model_size
from mda.runtime.errors import UserError

# Published batches are kept as 16-bit tokens; so are those of a vocabulary below 65,536.
TOKEN_BYTES = 2
# Stored gradients are in half precision.
STORED_BYTES = 2
# Passes over a sample, in passes of training, each of which takes less (benchmarks.md): one for scores,
# two for factors (covariances and eigenvalues of the curvature).
SCORE_PASSES, FIT_PASSES = 1, 2
# Of a walk back through a training: the training itself, its states computed again, and two at near points.
WALK_PASSES = 4
# Of the states of a walk: weights and moments are in fp32, and the GPU that is told of has so much memory.
NUMBER_BYTES, GPU_BYTES = 4, 80 * 10**9


@dataclass(frozen=True)
class Cost:
    """Amounts of work.

    Attributes:
        retrainings: number of branches trained.
        walks: number of trainings walked back through (`trajectory`).
        base_tokens, retraining_tokens, scored_tokens, walk_tokens: tokens that pass through the model
            forward and backward, in the base run, in all branches, for factors and scores, and in walks.
        token_bytes: size of the training tokens on disk.
        stored_bytes: size of stored gradients on disk (`attribution.stored_gradients`). A class of heads
            counts as one unit here, for the configuration does not tell how many it has.
        walk_states: where a walk runs -> what its states take, at most. Empty where the settings do not tell
            how large the model is.
    """

    retrainings: int
    base_tokens: int
    retraining_tokens: int
    scored_tokens: int
    token_bytes: int
    walks: int = 0
    walk_tokens: int = 0
    stored_bytes: int = 0
    walk_states: dict[str, kept_states.Room] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.base_tokens + self.retraining_tokens + self.scored_tokens + self.walk_tokens


def of(config: Config) -> Cost:
    """The cost of a configuration; insertions and evaluations are left out.

    Raises:
        UserError: for a trace of a whole corpus, whose size the configuration does not tell.
    """
    if config.trace is not None:
        return _of_trace(config)
    run, context = config.run, config.tokens.context
    batch = run.batch_size * context
    branches = design.cells(config)
    start, stop = config.scored
    scored = (stop - start) * batch * SCORE_PASSES + config.attribution.fit.samples * context * FIT_PASSES
    branch = (run.window.stop - run.window.origin) * batch
    walks = 0 if config.trajectory is None else len(config.trajectory.names)
    return Cost(
        retrainings=len(branches),
        base_tokens=run.steps * batch,
        retraining_tokens=len(branches) * branch,
        scored_tokens=scored,
        token_bytes=run.steps * run.batch_size * (context + 1) * TOKEN_BYTES,
        walks=walks,
        walk_tokens=walks * branch * WALK_PASSES,
        walk_states=_walk_states(config),
    )


def _walk_states(config: Config) -> dict[str, kept_states.Room]:
    weights = model_size.at_most(config)
    if config.trajectory is None or weights is None:
        return {}
    vector = NUMBER_BYTES * weights.all
    updates = config.run.window.stop - config.run.window.origin
    # As in `mda.training.tape`.
    free = GPU_BYTES - kept_states.OF_STATE * vector
    of_gpu = int(kept_states.GPU_SHARE * free) - config.trajectory.vectors_beside * vector
    return {
        place: kept_states.room(
            updates,
            config.trajectory.keep_every or kept_states.length_of_parts(updates, vector, memory),
            vector,
        )
        for place, memory in (("a CPU", kept_states.CPU_BYTES), ("a GPU of 80 GB", of_gpu))
    }


def _of_trace(config: Config) -> Cost:
    assert config.trace is not None
    context, rows, checkpoints = config.tokens.context, config.trace.rows, len(config.trace.checkpoints)
    fitted = config.attribution.fit.samples * context * FIT_PASSES
    if rows is None:
        raise UserError(
            "trace.rows is null, so the cost depends on the length of the corpus: each checkpoint reads all "
            f"of its tokens once, and {fitted:,} for the curvature; set trace.rows to have it computed"
        )
    return Cost(
        retrainings=0,
        base_tokens=0,
        retraining_tokens=0,
        scored_tokens=checkpoints * (rows * context * SCORE_PASSES + fitted),
        token_bytes=rows * (context + 1) * TOKEN_BYTES,
        stored_bytes=checkpoints * _stored_bytes(config, rows),
    )


def _stored_bytes(config: Config, samples: int) -> int:
    stored = config.attribution.stored_gradients
    named = {unit for target in config.targets for unit in target.units}
    places = [LAYER_PATTERN.match(unit) for unit in named]
    # Of all up to a layer, its attention and its MLP.
    units = sum(2 * (int(at[1]) + 1) if at is not None and at[2] == "residual" else 1 for at in places)
    return 0 if stored is None else samples * units * stored.values * STORED_BYTES


def summary(cost: Cost) -> str:
    """The cost in one line."""
    states = ", ".join(
        f"on {place} {room.disk / 1e9:.1f} GB of disk and {room.memory / 1e9:.1f} GB of memory"
        for place, room in cost.walk_states.items()
    )
    of_each = f" (states of each, at most: {states})" if states else ""
    walked = f", {cost.walks} walks {cost.walk_tokens / 1e9:.2f} G{of_each}" if cost.walks else ""
    stored = f", stored gradients about {cost.stored_bytes / 1e9:.1f} GB" if cost.stored_bytes else ""
    return (
        f"base run {cost.base_tokens / 1e9:.2f} G tokens, {cost.retrainings} retrainings "
        f"{cost.retraining_tokens / 1e9:.2f} G, factors and scores {cost.scored_tokens / 1e9:.2f} G{walked}: "
        f"{cost.tokens / 1e9:.1f} G tokens in all; token store {cost.token_bytes / 1e9:.1f} GB{stored}"
    )
