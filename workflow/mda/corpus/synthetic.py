"""The controlled corpus: sparse Markov "prose" and tiled motifs, the known catalysts.

A tiled sample can only be predicted by copying from its own past, which is what an
induction head does (Olsson et al. 2022, arXiv 2209.11895); the prose gives it no use.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mda.config.corpus_sections import Synthetic, SyntheticSource
from mda.corpus.document import Document

# Every word is a consonant and a vowel, so that samples can be read aloud.
SYLLABLES = [consonant + vowel for vowel in "aeiou" for consonant in "bcdfghjklmnpqrstvwxz"]


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
        assert source.motif is not None
        size = int(generator.integers(source.motif[0], source.motif[1] + 1))
        motif = generator.integers(0, settings.words, size)
        return np.resize(np.roll(motif, int(generator.integers(size))), length)
    zipf = 1 / np.arange(1, settings.successors + 1)
    choices = generator.choice(settings.successors, size=length, p=zipf / zipf.sum())
    words = np.empty(length, dtype=np.int64)
    words[0] = generator.integers(0, settings.words)
    for position in range(1, length):
        words[position] = successors[words[position - 1], choices[position]]
    return words
