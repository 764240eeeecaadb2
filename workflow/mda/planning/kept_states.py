"""How many states of a training are kept for the walk back through it, and what they take."""

from __future__ import annotations

import math
from typing import NamedTuple

# Vectors of the weights that a state has, and those that are held of an update on the way back.
OF_STATE, OF_UPDATE = 3, 4
# For the states of a part: of a CPU's memory, which the scheduler counts, for all processes together, and of
# the free memory of a GPU.
CPU_BYTES = 2 * 2**30
GPU_SHARE = 0.5


class Room(NamedTuple):
    """What the states of a walk take, in bytes."""

    disk: int
    memory: int


def length_of_parts(updates: int, bytes_of_vector: int, memory: int) -> int:
    """Updates between two states that are kept.

    All, where what they were made of fits the memory; else their root, or fewer that fit.
    """
    fitting = max(1, memory // (OF_UPDATE * bytes_of_vector))
    return updates if updates <= fitting else min(math.isqrt(updates - 1) + 1, fitting)


def room(updates: int, length: int, bytes_of_vector: int) -> Room:
    """That of the states of so many updates, of which one every `length` updates is kept on disk."""
    kept, held = -(-updates // length), min(length, updates)
    return Room(kept * OF_STATE * bytes_of_vector, held * OF_UPDATE * bytes_of_vector)
