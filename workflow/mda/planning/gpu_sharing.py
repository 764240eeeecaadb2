"""How many trainings of a small model share a GPU.

Alone, such a training leaves the GPU idle: between updates, while it is measured, and for the seconds
of its start.
"""

from __future__ import annotations

from mda.config.experiment import Config
from mda.planning.small_updates import SMALL_UPDATE

# On an H200, branches of experiments/python-packages.yaml were done at 3 a minute alone, and at 14 a minute
# with 15 side by side; see docs/benchmarks.md.
MOST = 12
# Of a GPU's memory, and what each process takes of it beside its tensors (CUDA's own, and the graph's).
SHARE, OF_PROCESS = 0.8, 1.5e9
# Of a hub's tokenizer, which is not read for this.
LARGE_VOCABULARY = 50_000
# Weights, gradients and moments, and values a token and hidden unit that a layer keeps
# (see `mda.models.memory`), in bytes.
OF_PARAMETER, OF_HIDDEN = 16, 4 * 17


def jobs_per_gpu(config: Config, memory: float) -> int:
    """How many jobs of this experiment a GPU does side by side: one, unless its model is small.

    Args:
        memory: of the GPU, in bytes.
    """
    shape, run, context = config.model.shape(), config.run, config.tokens.context
    if shape.width is None or shape.layers is None or shape.neurons is None:
        return 1
    tokens = run.batch_size * context
    tokenizer = config.tokens.tokenizer
    vocabulary = tokenizer.vocabulary if tokenizer.kind in ("bpe", "word") else LARGE_VOCABULARY
    # At most: the projections of attention, and a layer of neurons with a gate.
    layer = 4 * shape.width**2 + 3 * shape.width * shape.neurons
    weights = shape.layers * layer + shape.width * vocabulary
    if 6.0 * weights * tokens >= SMALL_UPDATE:
        return 1
    hidden = tokens * shape.layers * shape.width
    pattern = (
        tokens * shape.layers * (shape.heads or 1) * context if config.numerics.attention == "eager" else 0
    )
    each = (
        OF_PROCESS + OF_PARAMETER * (weights + shape.width * vocabulary) + OF_HIDDEN * hidden + 12 * pattern
    )
    return max(1, min(MOST, int(SHARE * memory / each)))
