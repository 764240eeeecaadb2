"""Turn a document into token ids: begin (if there is one), text, end. Text never gives special tokens.

The tokenizer's file says so itself, in its post-processor. Ids of special tokens never come out of a
text, whatever words it has; only the unknown token does, for what the tokenizer does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mda.runtime.errors import UserError

# Texts that are encoded at once.
TOGETHER = 1024


class Ends(NamedTuple):
    """Ids of the tokens around a document; `begin` is None where nothing stands before it."""

    begin: int | None
    end: int


def frame(tokenizer, end: str, begin: str | None) -> None:
    """Write into a `tokenizers.Tokenizer` what stands around a document.

    Both names become special tokens, so that the same words in a text are not taken for them.
    """
    from tokenizers import processors

    named = {"end": end} if begin is None else {"begin": begin, "end": end}
    tokenizer.add_special_tokens(list(named.values()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", "end"] if begin is None else ["begin", "$A", "end"],
        special_tokens=[
            {"id": place, "ids": [tokenizer.token_to_id(name)], "tokens": [name]}
            for place, name in named.items()
        ],
    )


def ends(tokenizer) -> Ends:
    """What stands around a document, as `frame` wrote it.

    Raises:
        UserError: for a tokenizer that does not say it.
    """
    processor = tokenizer.post_processor
    template = {} if processor is None else json.loads(processor.__getstate__())
    known = template.get("special_tokens", {})
    if "end" not in known:
        raise UserError(
            "tokens/tokenizer.json does not say which token ends a document; delete it and run again"
        )
    begin = known.get("begin")
    return Ends(None if begin is None else begin["ids"][0], known["end"]["ids"][0])


def size(tokenizer) -> int:
    """The largest id plus one: ids may have gaps, so their number would be too small."""
    return 1 + max(tokenizer.get_vocab().values())


def unknown(tokenizer) -> int | None:
    """Id of the token for what the tokenizer does not know, if it has one."""
    model = tokenizer.model
    if type(model).__name__ == "Unigram":
        return json.loads(model.__getstate__())["unk_id"]
    return None if model.unk_token is None else model.token_to_id(model.unk_token)


def special(tokenizer) -> dict[int, str]:
    """Ids and names of the tokens that stand for no text."""
    added = tokenizer.get_added_tokens_decoder()
    found = {key: token.content for key, token in added.items() if token.special}
    fallback = unknown(tokenizer)
    return found if fallback is None else {**found, fallback: tokenizer.id_to_token(fallback)}


class Encoder:
    """Texts to ids, none of them special but the unknown token.

    Attributes:
        spelled: number of texts so far that have the words of a special token.
    """

    def __init__(self, tokenizer) -> None:
        """Of a `tokenizers.Tokenizer` that `frame` has been called on."""
        tokenizer.encode_special_tokens = True
        self.tokenizer, self.ends, self.unknown = tokenizer, ends(tokenizer), unknown(tokenizer)
        self.spelled = 0
        names = special(tokenizer)
        self._words = re.compile("|".join(map(re.escape, names.values())))
        self._special = np.zeros(size(tokenizer), dtype=bool)
        self._special[list(names)] = True
        # To a model of words the unknown token's own name is one more word that it does not know.
        self._unknown_name: str | None = None
        if self.unknown is not None:
            self._special[self.unknown] = self.unknown in self.ends
            if type(tokenizer.model).__name__ != "WordLevel":
                self._unknown_name = names[self.unknown]

    def encode(self, texts: list[str]) -> Iterator[np.ndarray]:
        """The ids of each text with what stands around it, shape (tokens,), int64.

        Raises:
            UserError: when the tokenizer cannot read a text.
        """
        begin = [] if self.ends.begin is None else [self.ends.begin]
        for start in range(0, len(texts), TOGETHER):
            part = texts[start : start + TOGETHER]
            try:
                encoded = self.tokenizer.encode_batch(part, add_special_tokens=False)
            except Exception as error:  # tokenizers raises bare Exception
                raise UserError(
                    f"tokens.tokenizer: cannot read the text ({error}); name a tokenizer with an unknown "
                    "token, or one that knows all of the text"
                ) from None
            for text, one in zip(part, encoded, strict=True):
                self.spelled += self._words.search(text) is not None
                yield np.array([*begin, *self._as_text(text, one), self.ends.end], dtype=np.int64)

    def _parts(self, name: str) -> list[int]:
        model = self.tokenizer.model
        tokens = (*model.tokenize(name[:1]), *model.tokenize(name[1:]))
        return [smaller for token in tokens for smaller in self._spell(token.id)]

    def _as_text(self, text: str, encoded) -> list[int]:
        """The ids; words that the model took for a special token, or the unknown one's name, are spelled."""
        name = self._unknown_name
        if not (name and name in text) and not self._special[encoded.ids].any():
            return encoded.ids
        spelled: list[int] = []
        for token, (start, stop) in zip(encoded.ids, encoded.offsets, strict=True):
            if name and token == self.unknown and name in text[start:stop]:
                # Several unknown in a row are one token.
                first, *others = text[start:stop].split(name)
                spelled += [token] if first.strip() else []
                for other in others:
                    spelled += self._parts(name)
                    spelled += [token] if other.strip() else []
            else:
                spelled += self._spell(token)
        if type(self.tokenizer.model).__name__ != "Unigram" and not getattr(
            self.tokenizer.model, "fuse_unk", False
        ):
            return spelled
        # Such a model makes one unknown token of several in a row.
        pairs = zip(spelled, [None, *spelled], strict=False)
        return [part for part, before in pairs if part != self.unknown or before != self.unknown]

    def _spell(self, token: int) -> list[int]:
        """A special token that the model found in a text as an entry of its vocabulary, in smaller parts."""
        if not self._special[token]:
            return [token]
        name, model = self.tokenizer.id_to_token(token), self.tokenizer.model
        if token == self.unknown:
            raise UserError(
                f"tokens.tokenizer: the text has what it does not know, for which it has only '{name}', "
                "which ends or begins a document; name a tokenizer that knows all of the text"
            )
        if len(name) > 1 and type(model).__name__ != "WordLevel":
            return self._parts(name)
        if self.unknown is None:
            raise UserError(
                f"tokens.tokenizer: the text has '{name}', which is a special token, and there is no unknown "
                "token to put in its place; name another tokenizer"
            )
        return [self.unknown]
