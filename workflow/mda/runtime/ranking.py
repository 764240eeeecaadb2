"""Places of numbers that fall, and are read some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np


def places(parts: Callable[[], Iterable[np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each number how many of all are higher, and how many are not lower.

    Args:
        parts: numbers that fall, in parts that are not empty, anew each time it is called.

    Yields:
        Both, of each part; they differ by how many are equal to the number.
    """
    ends = ends_of_ties(parts())
    begin, ties_begin, before = 0, 0, np.nan
    for numbers, end in zip(parts(), ends, strict=True):
        first = begin + np.searchsorted(-numbers, -numbers, side="left")
        stop = begin + np.searchsorted(-numbers, -numbers, side="right")
        # Ties that go on from the part before, or in the next.
        first[numbers == before] = ties_begin
        stop[numbers == numbers[-1]] = end
        ties_begin, before = int(first[-1]), numbers[-1]
        begin += len(numbers)
        yield first, stop


def ends_of_ties(parts: Iterable[np.ndarray]) -> list[int]:
    """For each part of numbers that fall: the place, in all, after the last that equals the part's last."""
    told = [(part[0], part[-1], len(part), int((part == part[0]).sum())) for part in parts]
    found: list[int] = []
    place = sum(length for _, _, length, _ in told)
    following: tuple[float, float, int] = (np.nan, np.nan, 0)
    for first, last, length, ties in reversed(told):
        if last == following[0]:
            # The next part may be of equal numbers alone.
            found.append(found[-1] if following[0] == following[1] else place + following[2])
        else:
            found.append(place)
        following = first, last, ties
        place -= length
    return found[::-1]
