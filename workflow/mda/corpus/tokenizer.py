"""The tokenizer of an experiment: trained on its corpus, or made elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from mda.config import corpus_sections
from mda.corpus import encoding, foreign_tokenizer
from mda.hub.pins import Pin

log = logging.getLogger(__name__)

SEPARATOR = "<|endoftext|>"
UNKNOWN = "<|unknown|>"
# Both are entries of a vocabulary of words.
RESERVED = 2
# How other tokenizers name the token that ends a document.
SEPARATORS = (SEPARATOR, "</s>", "<|end_of_text|>", "<eos>")


def make(settings: corpus_sections.Tokenizer, texts: Iterator[str], pin: Pin | None = None):
    """Train a word-level or byte-level BPE tokenizer, or load one.

    Args:
        texts: what it is trained on.
        pin: the revision to take a tokenizer of the hub from.

    Returns:
        A `tokenizers.Tokenizer` that says what begins and ends a document.

    Raises:
        UserError: when the tokenizer cannot be loaded or has no such tokens.
    """
    if settings.kind in ("word", "bpe"):
        tokenizer = _trained(settings, texts)
    else:
        tokenizer = foreign_tokenizer.load(settings, texts, pin)
    end = foreign_tokenizer.end_of(tokenizer, settings, SEPARATORS)
    begin = foreign_tokenizer.begin_of(tokenizer, settings, end)
    encoding.frame(tokenizer, end, begin)
    if foreign_tokenizer.can_lose_text(tokenizer):
        # So that what it does not know is noticed.
        tokenizer.model.unk_token = end
    log.info("tokenizer: a document begins with %s and ends with %s", begin or "no token", end)
    return tokenizer


def _trained(settings: corpus_sections.Tokenizer, texts: Iterator[str]):
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    names = [settings.end or SEPARATOR, *([] if settings.begin is None else [settings.begin])]
    if settings.kind == "word":
        tokenizer = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer: Any = trainers.WordLevelTrainer(
            vocab_size=settings.vocabulary,
            special_tokens=[names[0], UNKNOWN, *names[1:]],
            show_progress=False,
        )
    else:
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=settings.vocabulary,
            special_tokens=names,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
