"""What scoring takes from 14M to 12B parameters and from 10^6 to 10^9 samples, on paper.

Operations are counted from the shapes; how many a second is what was measured here, and what is assumed of a
GPU. Memory, disk and jobs follow from what the workflow keeps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.shapes import SHAPES, VOCABULARY, Shape
from bench.timing import table
from mda import memory

CONTEXT, TARGETS = 2048, 8
SAMPLES = (10**6, 10**7, 10**8, 10**9)
GIB, TIB = 2**30, 2**40
# Bytes of a sample's line in the table of scores, a target: step, row, label, influence, three parts, loss.
LINE = 8 + 8 + 4 + 5 * 4


@dataclass(frozen=True)
class Machine:
    """What is assumed of one job's machine and of the cluster.

    Attributes:
        name: for the caption.
        rate: floating-point operations a second that scoring achieves.
        device, host, disk: bytes.
        at_once: jobs at once; week: seconds until which it should be done.
    """

    name: str
    rate: float
    device: float = 80 * GIB
    host: float = 64 * GIB
    disk: float = 10 * TIB
    at_once: int = 16
    week: float = 7 * 86400
    job: float = 3600


@dataclass(frozen=True)
class Need:
    """What a shape and a number of samples take: seconds of one machine, bytes."""

    seconds: float
    device: float
    host: float
    disk: float

    def shares(self, machine: Machine) -> dict[str, float]:
        """Each as a share of what there is."""
        return {
            "time": self.seconds / (machine.at_once * machine.week),
            "device memory": self.device / machine.device,
            "memory of the merge": self.host / machine.host,
            "disk": self.disk / machine.disk,
        }


REMEDIES = {
    "time": "score a subsample of the window, or more jobs at once",
    "device memory": "split a layer's weights over GPUs",
    "memory of the merge": "keep each shard's top samples, not all scores in one table",
    "disk": "read the published token shards in place of a store of their rows",
}


def operations(shape: Shape, context: int, lowest: int = 0) -> float:
    """Floating-point operations that scoring a token takes.

    A product of a weight is 2 operations a weight and token, forward and again for the gradient of what it
    read; attention's two products are 4 x context x width a layer, and twice that backward. Backward counts
    the layers from the lowest target's on.
    """
    share = 1 + (shape.layers - lowest) / shape.layers
    attention = 4 * context * shape.width * shape.layers
    weights = 2 * shape.layer_parameters * share + 4 * shape.output_parameters
    # The blocks of a layer's heads: as many weights as its attention.
    return weights + attention * (2 * share - 1) + 8 * shape.width**2


def training_operations(shape: Shape, context: int) -> float:
    """The same of training: weights' gradients are a third product."""
    weights = 6 * (shape.layer_parameters + shape.output_parameters)
    return weights + 12 * context * shape.width * shape.layers


def need(shape: Shape, samples: int, machine: Machine) -> Need:
    """What scoring so many samples takes, with one row at once on the device."""
    weights = shape.layer_parameters + 2 * shape.output_parameters
    # As mda.memory estimates it, of a row without logits.
    row = 4 * CONTEXT * shape.layers * shape.width * memory.HIDDEN
    return Need(
        seconds=samples * CONTEXT * operations(shape, CONTEXT) / machine.rate,
        device=4 * weights + row + 3 * 4 * 2**26,
        host=3 * samples * TARGETS * LINE,
        disk=samples * (2 * (CONTEXT + 1) + 2 * TARGETS * LINE),
    )


def on_paper(machine: Machine) -> str:
    """The table."""
    lines = []
    for name, shape in SHAPES.items():
        for samples in SAMPLES:
            found = need(shape, samples, machine)
            shares = found.shares(machine)
            first = max(shares, key=lambda what: shares[what])
            lines.append(
                [
                    name,
                    f"10^{round(math.log10(samples))}",
                    _hours(found.seconds),
                    f"{found.device / GIB:,.1f}",
                    f"{found.host / GIB:,.1f}",
                    f"{found.disk / TIB:,.2f}",
                    f"{max(1, math.ceil(found.seconds / machine.job)):,}",
                    f"{first}: {REMEDIES[first]}" if shares[first] > 1 else "none",
                ]
            )
    head = [
        "model", "samples", "hours of one machine", "device, GiB", "merge, GiB", "disk, TiB",
        "jobs of an hour", "first bottleneck, and what would remove it",
    ]  # fmt: skip
    about = (
        f"{machine.name}: {machine.rate / 1e12:.3g} TFLOP/s. Context {CONTEXT}, {TARGETS} targets, one of "
        f"them in the first layer, vocabulary {VOCABULARY:,}. A bottleneck is what exceeds first, or most, "
        f"{machine.at_once} machines for a week, {machine.device / GIB:.0f} GiB of a device, "
        f"{machine.host / GIB:.0f} GiB of the machine that merges, {machine.disk / TIB:.0f} TiB of disk.\n\n"
    )
    return about + table(head, lines)


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f}" if hours < 100 else f"{hours:,.0f}"
