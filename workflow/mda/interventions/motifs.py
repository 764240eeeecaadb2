"""Motifs: the structure of samples without their contents, and new samples made from them.

The programmatic form of mechanistic data augmentation (arXiv 2601.21996, where a language
model writes the schema and the generators). A motif is the equality pattern of a sample:
tokens that belong to a repeated span become variables, one a distinct token, tokens outside
are free, and the tokens around documents stay. New contents for the variables and the free places
give a sample with the same copy structure and nothing else in common.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mda.corpus.encoding import Ends
from mda.interventions import repetition

FREE, END, BEGIN = -1, -2, -3
# What stands around documents stays, and how a layout shows it.
MARKS = {END: "|", BEGIN: "^"}


@dataclass(frozen=True)
class Motif:
    """A structure and how many of the samples have it.

    Attributes:
        pattern: a number for each token: equal numbers >= 0 are equal tokens, FREE is any token, END
            the token that ends a document, BEGIN the one that begins it.
    """

    pattern: tuple[int, ...]
    samples: int

    @property
    def variables(self) -> int:
        """Number of distinct tokens that are repeated."""
        return max(self.pattern, default=FREE) + 1

    @property
    def repeated(self) -> float:
        """Share of the tokens that belong to a repeated span."""
        return sum(place >= 0 for place in self.pattern) / len(self.pattern)

    def layout(self) -> str:
        """The pattern for a reader.

        `A(5) A A A[0:3] _4 |` is a span of five tokens shown three times, then its first three
        tokens, then four free ones, then the end of the document.
        """
        words: list[str] = []
        spans: list[list[int]] = []
        position = 0
        while position < len(self.pattern):
            word, length = self._word(position, spans)
            words.append(word)
            position += length
        return " ".join(words)

    def _word(self, position: int, spans: list[list[int]]) -> tuple[str, int]:
        place = self.pattern[position]
        if place in MARKS:
            return MARKS[place], 1
        if place == FREE:
            length = _run(self.pattern, position, lambda previous, next: next == FREE)
            return f"_{length}", length
        for index, span in enumerate(spans):
            if place in span:
                begin = span.index(place)
                length = 1
                while (
                    begin + length < len(span)
                    and position + length < len(self.pattern)
                    and self.pattern[position + length] == span[begin + length]
                ):
                    length += 1
                whole = length == len(span)
                return _letter(index) + ("" if whole else f"[{begin}:{begin + length}]"), length
        length = _run(self.pattern, position, lambda previous, next: next == previous + 1)
        spans.append(list(range(place, place + length)))
        return f"{_letter(len(spans) - 1)}({length})", length

    def record(self) -> dict[str, Any]:
        """The motif as it is written down."""
        return {
            "layout": self.layout(),
            "samples": self.samples,
            "variables": self.variables,
            "repeated": round(self.repeated, 4),
            "pattern": " ".join(map(str, self.pattern)),
        }


def _run(pattern: tuple[int, ...], position: int, goes_on: Any) -> int:
    length = 1
    while position + length < len(pattern) and goes_on(
        pattern[position + length - 1], pattern[position + length]
    ):
        length += 1
    return length


def _letter(index: int) -> str:
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def pattern_of(tokens: np.ndarray, ends: Ends, shortest: int) -> tuple[int, ...]:
    """The equality pattern of a sample.

    Args:
        tokens: shape (length,).
        ends: ids of the tokens around a document.
        shortest: repeated spans shorter than this do not count.
    """
    repeated = repetition.repeated_positions(tokens, shortest)
    numbers: dict[int, int] = {}
    pattern = []
    for token, inside in zip(tokens.tolist(), repeated.tolist(), strict=True):
        if token == ends.end:
            pattern.append(END)
        elif token == ends.begin:
            pattern.append(BEGIN)
        elif inside:
            pattern.append(numbers.setdefault(token, len(numbers)))
        else:
            pattern.append(FREE)
    return tuple(pattern)


def extract(samples: np.ndarray, ends: Ends, shortest: int) -> list[Motif]:
    """The motifs of samples of shape (samples, length), the most frequent first."""
    counts = Counter(pattern_of(sample, ends, shortest) for sample in samples)
    motifs = [Motif(pattern, count) for pattern, count in counts.items()]
    return sorted(motifs, key=lambda motif: (-motif.samples, -motif.repeated, motif.pattern))


def generate(
    motifs: list[Motif],
    count: int,
    frequencies: np.ndarray,
    ends: Ends,
    seed: int,
    dtype: np.typing.DTypeLike = np.int64,
) -> tuple[np.ndarray, np.ndarray]:
    """New samples: motifs drawn by their frequency, filled with tokens drawn by theirs.

    Args:
        frequencies: weight of every token of the vocabulary; zero for those never to be used.

    Returns:
        Tokens of shape (count, length), and the number of each one's motif.
    """
    generator = np.random.default_rng(seed)
    weights = np.array([motif.samples for motif in motifs], dtype=float)
    drawn = generator.choice(len(motifs), size=count, p=weights / weights.sum())
    share = frequencies / frequencies.sum()
    usable = int((share > 0).sum())
    samples = np.empty((count, len(motifs[0].pattern)), dtype=dtype)
    for index, number in enumerate(drawn):
        motif = motifs[number]
        pattern = np.array(motif.pattern)
        # Variables are distinct tokens where there are enough; free places are any token.
        distinct = motif.variables <= usable
        variables = generator.choice(len(share), size=motif.variables, replace=not distinct, p=share)
        free = generator.choice(len(share), size=len(pattern), p=share)
        bound = pattern >= 0
        samples[index] = np.where(pattern == END, ends.end, free)
        if ends.begin is not None:
            samples[index, pattern == BEGIN] = ends.begin
        samples[index, bound] = variables[pattern[bound]]
    return samples, drawn
