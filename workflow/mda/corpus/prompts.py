"""Read users' files of prompts and texts, check them, and turn them into tokens.

A file of prompts is JSON lines of {"prompt", "answer"} or {"prompt", "answer", "foil"}; answer and foil are
each a text, or a list of alternatives. A file of texts is JSON lines of {"text"}, or a text file, which is
one text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mda.corpus import encoding, tables
from mda.runtime import file_kinds
from mda.runtime.errors import UserError

KEYS = ("prompt", "answer", "foil")


class Prompt(NamedTuple):
    """A question, and its alternative answers and foils; `place` is its file and line."""

    place: str
    prompt: str
    answers: tuple[str, ...]
    foils: tuple[str, ...]


class Text(NamedTuple):
    """A text, and where it is from."""

    place: str
    text: str


@dataclass(frozen=True)
class Continuation:
    """What a model reads to predict one continuation of a prompt, and what it has to predict.

    Attributes:
        tokens: prompt and continuation but for its last token, shape (length,), int64.
        predicted: the continuation's tokens; the last positions of `tokens` predict them.
    """

    tokens: np.ndarray
    predicted: np.ndarray

    @property
    def positions(self) -> np.ndarray:
        """Positions of `tokens` that predict the continuation."""
        return np.arange(len(self.tokens) - len(self.predicted), len(self.tokens))


class Asked(NamedTuple):
    """A prompt as tokens: its answers' and its foils' continuations."""

    answers: list[Continuation]
    foils: list[Continuation]


class Piece(NamedTuple):
    """A stretch of a text, shape (length,), and the positions in it whose token counts, none of them 0."""

    tokens: np.ndarray
    counted: np.ndarray


def is_prompts(path: Path) -> bool:
    """Whether a file is one of prompts, by its first line."""
    if not _is_json(path):
        return False
    first = next(iter(tables.json_objects(path)), None)
    return first is not None and isinstance(first[1], dict) and "prompt" in first[1]


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file.

    Raises:
        UserError: for a line without a prompt or an answer, and if some lines alone have a foil.
    """
    found = []
    for place, record in _objects(path):
        unknown = sorted(set(record) - set(KEYS))
        if unknown:
            raise UserError(f"{place} has the key '{unknown[0]}'; write {', '.join(KEYS)}")
        prompt = record.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise UserError(f"{place} has no text under 'prompt'; write one")
        answers = _alternatives(place, record, "answer")
        foils = _alternatives(place, record, "foil") if record.get("foil") is not None else ()
        if same := set(answers) & set(foils):
            raise UserError(f"{place} has '{same.pop()}' as answer and as foil; take it out of one")
        found.append(Prompt(place, prompt, answers, foils))
        if bool(foils) != bool(found[0].foils):
            raise UserError(
                f"{place} has {'a' if foils else 'no'} foil, other than those before; give all one, or none"
            )
    if not found:
        raise UserError(f"{path}: has no prompt; write one JSON object a line")
    return found


def read_texts(path: Path) -> list[Text]:
    """The texts of a file.

    Raises:
        UserError: for a line without a text, or a file without any.
    """
    found = []
    if _is_json(path):
        for place, record in _objects(path):
            text = record.get("text")
            if not isinstance(text, str) or not text.strip():
                raise UserError(f"{place} has no text under 'text'; write one")
            found.append(Text(place, text))
    else:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            what = file_kinds.no_text(path) or f"cannot be read as UTF-8 text ({error}); mend it"
            raise UserError(f"{path}: {what}") from None
        found += [Text(str(path), text)] if text.strip() else []
    if not found:
        raise UserError(f"{path}: has no text; write one")
    return found


def encode_prompts(tokenizer, prompts: Sequence[Prompt], context: int) -> list[Asked]:
    """The same as tokens, each after the token that begins a document, if there is one.

    Raises:
        UserError: when a prompt with its answer is longer than the context, has what the tokenizer does not
            know, or its last token would be one with the answer's first.
    """
    encoder = encoding.Encoder(tokenizer)

    def continued(asked: Prompt, begin: np.ndarray, key: str, text: str) -> Continuation:
        place = f"{asked.place}: {key} '{text}'"
        whole = _encoded(encoder, asked.prompt + text)
        if len(whole) <= len(begin) or not np.array_equal(whole[: len(begin)], begin):
            raise UserError(
                f"{place} makes one token with the end of the prompt; begin it with the space that stands "
                "between them, and end the prompt without one"
            )
        _refuse_unknown(encoder, whole[len(begin) :], place)
        if len(whole) - 1 > context:
            raise UserError(
                f"{place} and its prompt have {len(whole)} tokens, of which the model must read "
                f"{len(whole) - 1}, but tokens.context is {context}; shorten the prompt"
            )
        return Continuation(whole[:-1], whole[len(begin) :])

    found = []
    for asked in prompts:
        begin = _tokens(encoder, asked.prompt, f"{asked.place}: prompt")
        if not len(begin):
            raise UserError(f"{asked.place}: prompt has no token, so the model reads nothing; write words")
        sides = (("answer", asked.answers), ("foil", asked.foils))
        found.append(Asked(*([continued(asked, begin, key, text) for text in texts] for key, texts in sides)))
    return found


def counted(asked: Sequence[Asked]) -> str | None:
    """How answers and foils of several tokens are counted, in a sentence; None where there is none."""
    lengths = [len(each.predicted) for prompt in asked for side in prompt for each in side]
    long = [length for length in lengths if length > 1]
    if not long:
        return None
    return (
        f"{len(long)} of {len(lengths)} answers and foils have several tokens (at most {max(long)}); the "
        "log-probability of one is the sum over its tokens, each given the prompt and the tokens before it"
    )


def encode_texts(tokenizer, texts: Sequence[Text], context: int, repeated: bool) -> list[Piece]:
    """The same as tokens, in pieces that a model reads at once; long texts have several.

    A piece begins with the last token of the one before, so that every token but a text's first is predicted
    once.

    Args:
        repeated: count only a token that followed the same token earlier in the piece: the second occurrence
            of a bigram, and all later ones, as induction heads predict them (Olsson et al. 2022, arXiv
            2209.11895). Otherwise all that are predicted count.

    Raises:
        UserError: when no token counts, or a text has what the tokenizer does not know.
    """
    encoder, found = encoding.Encoder(tokenizer), []
    for place, text in texts:
        tokens = _tokens(encoder, text, place)
        for start in range(0, len(tokens) - 1, context):
            piece = tokens[start : start + context + 1]
            counted = np.arange(1, len(piece))
            if repeated:
                counted = counted[seen_before(piece)]
            if len(counted):
                found.append(Piece(piece, counted))
    if not found:
        what = "no pair of tokens that comes twice" if repeated else "fewer than two tokens"
        raise UserError(f"{texts[0].place}: has {what}, so there is nothing to predict; give other texts")
    return found


def sequences(tokenizer, path: Path, context: int) -> list[np.ndarray]:
    """The tokens of a file of prompts, each with its first answer, or of texts; shape (length,) each."""
    if is_prompts(path):
        asked = encode_prompts(tokenizer, read_prompts(path), context)
        return [
            np.append(first.tokens, first.predicted[-1:]) for first in (each.answers[0] for each in asked)
        ]
    return [piece.tokens for piece in encode_texts(tokenizer, read_texts(path), context, repeated=False)]


def read_pieces(tokenizer, path: Path, context: int) -> list[Piece]:
    """What a feature is asked on: the last token of each prompt of a file, or all of texts but their first.

    Raises:
        UserError: as when these are read and encoded.
    """
    if not is_prompts(path):
        # These tokens are read, and none is only predicted.
        return encode_texts(tokenizer, read_texts(path), context - 1, repeated=False)
    asked = encode_prompts(tokenizer, read_prompts(path), context)
    ends = [(first.tokens, int(first.positions[0])) for first in (each.answers[0] for each in asked)]
    return [Piece(tokens[: end + 1], np.array([end])) for tokens, end in ends]


def seen_before(piece: np.ndarray) -> np.ndarray:
    """Of every token but the first, whether it and the one before came as a pair earlier."""
    known: set[tuple[int, int]] = set()
    found = []
    for pair in zip(piece[:-1].tolist(), piece[1:].tolist(), strict=True):
        found.append(pair in known)
        known.add(pair)
    return np.array(found, dtype=bool)


def _tokens(encoder: encoding.Encoder, text: str, place: str) -> np.ndarray:
    """The ids of a text, all of which the tokenizer knows, after the token that begins a document."""
    found = _encoded(encoder, text)
    _refuse_unknown(encoder, found[encoder.ends.begin is not None :], place)
    return found


def _encoded(encoder: encoding.Encoder, text: str) -> np.ndarray:
    (found,) = encoder.encode([text])
    return found[:-1]


def _refuse_unknown(encoder: encoding.Encoder, tokens: np.ndarray, place: str) -> None:
    if encoder.unknown is not None and (tokens == encoder.unknown).any():
        raise UserError(f"{place} has what the tokenizer does not know; use other words")


def _is_json(path: Path) -> bool:
    return ".jsonl" in path.suffixes or ".ndjson" in path.suffixes


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.is_file():
        raise UserError(f"{path}: does not exist; mend the path")
    for place, record in tables.json_objects(path):
        if not isinstance(record, dict):
            raise UserError(f"{place} is no JSON object; write one a line")
        yield place, record


def _alternatives(place: str, record: dict[str, Any], key: str) -> tuple[str, ...]:
    value = record.get(key)
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError(f"{place} has no text under '{key}'; write one, or a list of them")
    if len(set(texts)) < len(texts):
        raise UserError(f"{place} has the same {key} twice; name each once")
    return tuple(texts)
