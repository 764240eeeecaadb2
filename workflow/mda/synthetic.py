"""The controlled corpus: sparse Markov "prose", and what repeats, the known catalysts.

A tiled sample can only be predicted by copying from its own past, which is what an
induction head does (Olsson et al. 2022, arXiv 2209.11895); the prose gives it no use.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mda.document import Document
from mda.errors import UserError
from mda.sources import Synthetic, SyntheticSource

# Every word is a consonant and a vowel, so that samples can be read aloud.
SYLLABLES = [consonant + vowel for vowel in "aeiou" for consonant in "bcdfghjklmnpqrstvwxz"]

# To find a motif that is closed; one in `words / successors` is.
TRIES = 10_000


def documents(settings: Synthetic) -> Iterator[Document]:
    """Generate `settings.documents` documents of `settings.words_per_document` words each."""
    generator = np.random.default_rng(settings.seed)
    successors = np.stack(
        [generator.permutation(settings.words)[: settings.successors] for _ in range(settings.words)]
    )
    shares = np.array([source.share for source in settings.sources])
    kinds = generator.choice(len(shares), size=settings.documents, p=shares / shares.sum())
    for index, kind in enumerate(kinds):
        source = settings.sources[kind]
        words = _words(source, settings, successors, generator)
        text = " ".join(SYLLABLES[word] for word in words)
        yield Document(text=text, label=source.label, origin=f"synthetic:{index}")


def _words(
    source: SyntheticSource, settings: Synthetic, successors: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    length = settings.words_per_document
    if source.kind == "tiled":
        size = _motif_length(source, generator)
        motif = generator.integers(0, settings.words, size)
        return np.resize(np.roll(motif, int(generator.integers(size))), length)
    if source.kind == "repeating":
        return _repeating(source, settings, successors, generator)
    choices = _choices(length, successors, generator)
    first = int(generator.integers(0, settings.words))
    return np.array([first, *_follow(first, choices[1:], successors)])


def _repeating(
    source: SyntheticSource, settings: Synthetic, successors: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Prose that repeats a stretch of its own: no step from word to word is other than prose's.

    So neither its words nor their pairs tell it from prose, only that it repeats.
    """

    def go_on(word: int, steps: int) -> list[int]:
        return _follow(word, _choices(steps, successors, generator), successors)

    length = settings.words_per_document
    repeated = round(source.part * length)
    before = int(generator.integers(0, length - repeated + 1))
    first = int(generator.integers(0, settings.words))
    words = [first, *go_on(first, max(before, 1) - 1)]
    size = _motif_length(source, generator)
    for _ in range(TRIES):
        motif = go_on(words[-1], size)
        # Closed, so that its end leads to its beginning.
        if motif[0] in successors[motif[-1]]:
            break
    else:
        raise UserError(
            f"corpus.synthetic: no stretch of {size} words leads back to its beginning; "
            f"raise successors ({settings.successors}), or change motif"
        )
    words = [*words[:before], *np.resize(motif, repeated)]
    return np.array([*words, *go_on(words[-1], length - len(words))])


def _motif_length(source: SyntheticSource, generator: np.random.Generator) -> int:
    assert source.motif is not None
    return int(generator.integers(source.motif[0], source.motif[1] + 1))


def _choices(steps: int, successors: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Which of a word's successors comes next, `steps` times: Zipf's law."""
    zipf = 1 / np.arange(1, successors.shape[1] + 1)
    return generator.choice(len(zipf), size=steps, p=zipf / zipf.sum())


def _follow(word: int, choices: np.ndarray, successors: np.ndarray) -> list[int]:
    """The words that follow a word by these choices."""
    found = []
    for choice in choices:
        word = int(successors[word, choice])
        found.append(word)
    return found
