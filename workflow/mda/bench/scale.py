"""An estimate of what scoring takes from 14M to 12B parameters and from 10^6 to 10^9 samples.

Operations are counted from the shapes; how many a second is what is measured here, and what was on a GPU.
Memory, disk and jobs follow from what the workflow keeps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mda.bench import shapes
from mda.bench.shapes import SHAPES, Shape
from mda.bench.timing import table
from mda.models import memory, output_layer

CONTEXT, TARGETS = 2048, 8
SAMPLES = (10**6, 10**7, 10**8, 10**9)
GIB, TIB = 2**30, 2**40
# Bytes of a line of the table of scores: step, row, two words, influence, three parts, loss.
LINE = 60
# Kept of the run that is attributed: checkpoints of 4 bytes a weight, and a training state of 12.
CHECKPOINTS = 10
# Shares of the limits beyond which each is a bottleneck, and what would remove it.
REMEDIES = {
    "time": "score a part of the window, or more machines",
    "device": "split a layer's weights over GPUs",
    "disk": "read the published token shards, keep fewer checkpoints",
    "jobs": "longer jobs (attribution.samples_per_shard)",
}


@dataclass(frozen=True)
class Machine:
    """What there is: one machine for each job.

    Attributes:
        name: where the rate is from.
        rates: floating-point operations a second that scoring achieves, by shape; of a shape without,
            that of the next smaller one with.
        device, disk: bytes.
        at_once: machines.
        width: bytes of a number in the model's passes; its weights are kept in four, and a copy in two.
    """

    name: str
    rates: Mapping[str, float]
    device: float
    disk: float
    at_once: int
    width: int
    seconds: float = 7 * 86400
    job: float = 3600
    jobs: int = 10_000

    def rate(self, shape: str) -> float:
        """Operations a second with a shape."""
        names = list(SHAPES)
        upto = [name for name in names[: names.index(shape) + 1] if name in self.rates]
        return self.rates[upto[-1] if upto else min(self.rates, key=names.index)]


@dataclass(frozen=True)
class Need:
    """What a shape and a number of samples take: seconds of one machine, bytes, jobs."""

    seconds: float
    device: float
    disk: float
    jobs: int

    def shares(self, machine: Machine) -> dict[str, float]:
        """Each as a share of what there is."""
        return {
            "time": self.seconds / (machine.at_once * machine.seconds),
            "device": self.device / machine.device,
            "disk": self.disk / machine.disk,
            "jobs": self.jobs / machine.jobs,
        }


def operations(shape: Shape, context: int, lowest: int = 0) -> float:
    """Floating-point operations that scoring a token takes.

    A product of a weight is 2 operations a weight and token, forward, and again for the gradient of what it
    read; attention's two products are 4 x context x width a layer (all pairs, as is usual to count), and
    twice that backward. Backward goes through the output layer and the layers above the lowest target's; of
    that one through attention and its output projection, for GPT-NeoX's MLP stands beside it.
    """
    square, above = shape.width**2, shape.layers - lowest - 1
    attention = 4 * context * shape.width
    forward = 2 * (shape.layer_parameters + shape.output_parameters) + attention * shape.layers
    backward = 2 * shape.output_parameters + 2 * (12 * above + 1) * square + 2 * attention * (above + 1)
    # The blocks of a layer's heads: as many weights as its attention.
    return forward + backward + 8 * square


def training_operations(shape: Shape, context: int) -> float:
    """The same of training: gradients of weights are a third product."""
    weights = 6 * (shape.layer_parameters + shape.output_parameters)
    return weights + 12 * context * shape.width * shape.layers


def need(name: str, samples: int, machine: Machine) -> Need:
    """What scoring so many samples with a shape takes, with one row at once on the device."""
    shape = SHAPES[name]
    weights = shape.layer_parameters + 2 * shape.output_parameters
    # As mda.models.memory estimates a row without logits, and three copies of the logits that are held.
    row = machine.width * CONTEXT * shape.layers * shape.width * memory.HIDDEN
    logits = 3 * 4 * output_layer.LOGITS["cuda"]
    seconds = samples * CONTEXT * operations(shape, CONTEXT) / machine.rate(name)
    lines = samples * TARGETS * LINE
    return Need(
        seconds=seconds,
        device=(4 + (machine.width < 4) * 2) * weights + row + logits,
        disk=samples * 2 * (CONTEXT + 1) + 2 * lines + (4 * CHECKPOINTS + 12) * weights,
        jobs=max(1, math.ceil(seconds / machine.job)),
    )


def on_paper(machine: Machine) -> str:
    """The table."""
    lines = []
    for name in SHAPES:
        for samples in SAMPLES:
            found = need(name, samples, machine)
            shares = found.shares(machine)
            first = max(shares, key=lambda what: shares[what])
            lines.append(
                [
                    name,
                    f"10^{round(math.log10(samples))}",
                    _number(found.seconds / 3600),
                    f"{found.device / GIB:,.1f}",
                    f"{found.disk / TIB:,.2f}",
                    f"{found.jobs:,}",
                    f"{first}: {REMEDIES[first]}" if shares[first] > 1 else "none",
                ]
            )
    head = [
        "model", "samples", "hours of one machine", "device, GiB", "disk, TiB", "jobs of an hour",
        "first bottleneck, and what would remove it",
    ]  # fmt: skip
    rates = ", ".join(f"{rate / 1e12:.3g} TFLOP/s of {name}" for name, rate in machine.rates.items())
    about = (
        f"{machine.name}: {rates}. Context {CONTEXT}, {TARGETS} targets, one of "
        f"them in the first layer, vocabulary {shapes.VOCABULARY:,}; one row at once on the device; a line "
        f"of the scores has {LINE} bytes; {CHECKPOINTS} checkpoints and a training state on disk. The "
        f"bottleneck is what is exceeded most of {machine.at_once} machines for a week, "
        f"{machine.device / GIB:.0f} GiB of a device, {machine.disk / TIB:.2g} TiB of disk and "
        f"{machine.jobs:,} jobs. Tables are sorted on disk, in memory that is limited.\n\n"
    )
    return about + table(head, lines)


def _number(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
