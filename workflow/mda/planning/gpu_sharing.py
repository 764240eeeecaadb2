"""How many trainings of a small model share a GPU.

Alone, such a training leaves the GPU idle: between updates, while it is measured, and for the seconds
of its start.
"""

from __future__ import annotations

from mda.config.experiment import Config
from mda.planning import model_size
from mda.planning.gpu_limits import BATCH_SHARE, HIDDEN, LOGITS, PATTERN, SMALL_UPDATE

# On an H200, branches of experiments/python-packages.yaml were done at 3 a minute alone, and at 14 a minute
# with 15 side by side; see docs/benchmarks.md.
MOST = 12
# Rows of an update that must fit a job's part of the memory, in batches: duplicated and new samples make
# updates longer, and a power of two passes together (`mda.models.memory`).
BATCHES = 4
# Of a GPU's memory, and what each process takes of it beside its tensors (CUDA's own, and the graph's).
SHARE, OF_PROCESS = 0.8, 1.5e9
# Weights, gradient and moments, in bytes a parameter.
OF_PARAMETER = 16


def jobs_per_gpu(config: Config, memory: float) -> int:
    """How many jobs of this experiment a GPU does side by side: one, unless its model is small.

    Each has memory for the largest update, so that it computes what it would alone.

    Args:
        memory: of the GPU, in bytes.
    """
    shape, run, context = config.model.shape(), config.run, config.tokens.context
    weights = model_size.at_most(config)
    if weights is None or shape.layers is None or shape.width is None:
        return 1
    passed = weights.layers + weights.embedding
    if 6.0 * passed * run.batch_size * context >= SMALL_UPDATE:
        return 1
    pairs = context if config.numerics.attention == "eager" else 0
    kept = shape.layers * (shape.width * HIDDEN + (shape.heads or 1) * pairs * PATTERN)
    vocabulary = weights.embedding // shape.width
    logits = vocabulary * LOGITS if config.numerics.acceleration == "plain" else 0
    batch = 4.0 * run.batch_size * context * (kept + logits)
    each = OF_PROCESS + OF_PARAMETER * weights.all + batch
    fitting = min(SHARE * memory / each, BATCH_SHARE * memory / (BATCHES * batch))
    return max(1, min(MOST, int(fitting)))
