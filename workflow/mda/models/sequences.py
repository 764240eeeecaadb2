"""Sequences of random tokens, on which heads are measured and probed."""

from __future__ import annotations

import numpy as np

from mda.config import unit_sections
from mda.corpus import encoding


def ordinary_tokens(tokenizer) -> np.ndarray:
    """Ids of a `tokenizers.Tokenizer` that are not special, ascending, shape (n,)."""
    return np.array(
        sorted(set(tokenizer.get_vocab().values()) - set(encoding.special(tokenizer))), dtype=np.int64
    )


def random_tokens(vocabulary: np.ndarray, sequences: int, length: int, seed: int) -> np.ndarray:
    """Random tokens, shape (sequences, length), int64.

    Tokens are drawn without replacement within a sequence where the vocabulary allows it,
    so that the previous occurrence of a token is unambiguous.
    """
    generator = np.random.default_rng(seed)
    if length <= len(vocabulary):
        return np.stack([generator.choice(vocabulary, size=length, replace=False) for _ in range(sequences)])
    return generator.choice(vocabulary, size=(sequences, length))


def repeated_tokens(vocabulary: np.ndarray, sequences: int, length: int, seed: int) -> np.ndarray:
    """Random tokens followed by the same tokens again, shape (sequences, 2 * length), int64."""
    once = random_tokens(vocabulary, sequences, length, seed)
    return np.concatenate([once, once], axis=1)


def of_probe(settings: unit_sections.Probe, vocabulary: np.ndarray) -> np.ndarray:
    """The sequences of random tokens that a probe is asked on, shape (sequences, length), int64."""
    assert settings.sequences is not None
    assert settings.length is not None
    assert settings.seed is not None
    draw = repeated_tokens if settings.tokens == "repeated" else random_tokens
    return draw(vocabulary, settings.sequences, settings.length, settings.seed)
