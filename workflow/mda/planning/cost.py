"""The cost of an experiment (tokens, retrainings, disk), computed from its configuration alone."""

from __future__ import annotations

from dataclasses import dataclass

from mda.config.experiment import Config
from mda.planning import design

# Published batches are kept as 16-bit tokens; so are those of a vocabulary below 65,536.
TOKEN_BYTES = 2
# Passes over a sample, in passes of training, each of which takes less (benchmarks.md): one for scores,
# two for factors (covariances and eigenvalues of the curvature).
SCORE_PASSES, FIT_PASSES = 1, 2


@dataclass(frozen=True)
class Cost:
    """Amounts of work.

    Attributes:
        retrainings: number of branches trained.
        base_tokens, retraining_tokens, scored_tokens: tokens that pass through the model forward
            and backward, in the base run, in all branches, and for factors and scores.
        token_bytes: size of the training tokens on disk.
    """

    retrainings: int
    base_tokens: int
    retraining_tokens: int
    scored_tokens: int
    token_bytes: int

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.base_tokens + self.retraining_tokens + self.scored_tokens


def of(config: Config) -> Cost:
    """The cost of a configuration; insertions and evaluations are left out."""
    run, context = config.run, config.tokens.context
    batch = run.batch_size * context
    branches = design.cells(config)
    start, stop = config.scored
    scored = (stop - start) * batch * SCORE_PASSES + config.attribution.fit.samples * context * FIT_PASSES
    return Cost(
        retrainings=len(branches),
        base_tokens=run.steps * batch,
        retraining_tokens=len(branches) * (run.window.stop - run.window.origin) * batch,
        scored_tokens=scored,
        token_bytes=run.steps * run.batch_size * (context + 1) * TOKEN_BYTES,
    )


def summary(cost: Cost) -> str:
    """The cost in one line."""
    return (
        f"base run {cost.base_tokens / 1e9:.2f} G tokens, {cost.retrainings} retrainings "
        f"{cost.retraining_tokens / 1e9:.2f} G, factors and scores {cost.scored_tokens / 1e9:.2f} G: "
        f"{cost.tokens / 1e9:.1f} G tokens in all; token store {cost.token_bytes / 1e9:.1f} GB"
    )
