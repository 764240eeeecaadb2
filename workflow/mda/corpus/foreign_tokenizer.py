"""Tokenizers that were made elsewhere: only their vocabulary and merges are used."""

from __future__ import annotations

import itertools
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mda.config import corpus_sections
from mda.corpus import encoding, sentencepiece_model
from mda.hub import pins
from mda.hub.pins import Pin
from mda.runtime import file_kinds
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def load(settings: corpus_sections.Tokenizer, texts: Iterator[str], pin: Pin | None):
    """A `tokenizers.Tokenizer` from a file, a folder, or the hub.

    Args:
        texts: of the corpus; on the first of them a converted tokenizer is held against the original.
        pin: the revision to take one of the hub from.

    Raises:
        UserError: when it cannot be had or read.
    """
    if settings.kind == "huggingface":
        from mda.hub import downloads

        if pin is None:
            raise UserError(f"{settings.path} at {settings.revision} is not pinned; run {pins.COMMAND}")
        files = [downloads.file(pin, "tokenizer.json")]
    else:
        files = settings.files
    tokenizer = _read(settings, files, texts)
    carried = switch_off(tokenizer)
    log.info(
        "tokenizer: of %s the vocabulary is used, %d tokens (%s)",
        settings.path,
        tokenizer.get_vocab_size(),
        type(tokenizer.model).__name__,
    )
    if carried:
        log.info("tokenizer: what else it carries is switched off: %s", ", ".join(carried))
    return tokenizer


def _read(settings: corpus_sections.Tokenizer, files: list[Path], texts: Iterator[str]):
    import tokenizers

    for file in files:
        if (what := file_kinds.of_another_kind(file)) is not None:
            raise UserError(f"tokens.tokenizer.path: {file} {what}")
    pieces = [file for file in files if file.suffix == ".model"]
    try:
        if len(files) == 1 and files[0].read_bytes()[:64].lstrip()[:1] == b"{":
            return tokenizers.Tokenizer.from_file(str(files[0]))
        if len(files) == 1 or (pieces and not any(file.name == "tokenizer_config.json" for file in files)):
            first = itertools.islice(texts, sentencepiece_model.COMPARED)
            return sentencepiece_model.convert((pieces or files)[0], list(first))
        return _from_transformers(files)
    except UserError:
        raise
    except Exception as error:  # tokenizers and transformers raise all kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"tokens.tokenizer.path: {settings.path} cannot be loaded as a tokenizer ({reason}); name a "
            "tokenizer.json, a folder of a Transformers tokenizer, or a SentencePiece model"
        ) from None


def _from_transformers(files: list[Path]):
    """Of a folder without tokenizer.json; from a copy, so that only these files are read."""
    import tokenizers
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            shutil.copy(file, folder)
        found = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        if not hasattr(found, "backend_tokenizer"):
            raise UserError(
                f"tokens.tokenizer.path: {files[0].parent} is a {type(found).__name__}, which has no form of "
                "the tokenizers library; name a tokenizer.json"
            )
        return tokenizers.Tokenizer.from_str(found.backend_tokenizer.to_str())


def switch_off(tokenizer) -> list[str]:
    """Switch off what would cut, fill, or vary the ids of a text, and say what that was."""
    carried = []
    if tokenizer.truncation is not None:
        carried.append(f"truncation to {tokenizer.truncation['max_length']} tokens")
        tokenizer.no_truncation()
    if tokenizer.padding is not None:
        carried.append(f"padding with {tokenizer.padding['pad_token']}")
        tokenizer.no_padding()
    model = tokenizer.model
    # Both draw the pieces of a word at random.
    if getattr(model, "dropout", None):
        carried.append(f"dropout of merges ({model.dropout:g})")
        model.dropout = None
    if getattr(model, "alpha", None) is not None or getattr(model, "nbest_size", None) is not None:
        carried.append("sampling of pieces")
        model.alpha = model.nbest_size = None
    if tokenizer.post_processor is not None:
        kind = json.loads(tokenizer.post_processor.__getstate__())["type"]
        # This one adds no tokens.
        if kind != "ByteLevel":
            carried.append(f"the tokens that it puts around a text ({kind})")
        tokenizer.post_processor = None
    return carried


def end_of(tokenizer, settings: corpus_sections.Tokenizer, usual: tuple[str, ...]) -> str:
    """Name of the token that ends a document: the configured one, or the first of the usual names it has.

    Raises:
        UserError: when it has none.
    """
    if settings.end is not None:
        return _existing(tokenizer, "end", settings.end)
    for name in usual:
        if tokenizer.token_to_id(name) is not None:
            return name
    raise UserError(
        f"tokens.tokenizer: {settings.path} has none of the tokens {', '.join(usual)} that end a document; "
        f"name its own in tokens.tokenizer.end{_near(tokenizer, usual[0])}"
    )


def begin_of(tokenizer, settings: corpus_sections.Tokenizer, end: str) -> str | None:
    """Name of the token that begins a document, if the configuration asks for one.

    Raises:
        UserError: when the tokenizer does not have it, or it is the end token.
    """
    if settings.begin is None:
        return None
    if settings.begin == end:
        raise UserError(
            f"tokens.tokenizer.begin is '{end}', which ends a document already; set begin to null, for one "
            "such token between two documents is enough"
        )
    return _existing(tokenizer, "begin", settings.begin)


def _existing(tokenizer, key: str, name: str) -> str:
    if tokenizer.token_to_id(name) is None:
        raise UserError(
            f"tokens.tokenizer.{key}: the tokenizer has no token '{name}'; name one that it "
            f"has{_near(tokenizer, name)}"
        )
    return name


def _near(tokenizer, name: str) -> str:
    import difflib

    # Those that stand for no text look like this; a whole vocabulary would take seconds to compare.
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    added |= {
        entry for entry in tokenizer.get_vocab() if entry[0] in "<[" and entry[-1] in ">]" and len(entry) > 2
    }
    near = difflib.get_close_matches(name, sorted(added), n=3, cutoff=0.0)
    return f", such as {', '.join(near)}" if near else ""


def can_lose_text(tokenizer) -> bool:
    """Whether the model leaves out, without a sign, characters that it does not know.

    A BPE does without an unknown token, unless it has all bytes.
    """
    from tokenizers import pre_tokenizers

    model = tokenizer.model
    if type(model).__name__ != "BPE" or encoding.unknown(tokenizer) is not None:
        return False
    if model.byte_fallback and all(model.token_to_id(f"<0x{byte:02X}>") is not None for byte in range(256)):
        return False
    in_bytes = any(
        part is not None and b'"ByteLevel"' in part.__getstate__()
        for part in (tokenizer.pre_tokenizer, tokenizer.normalizer)
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return not (in_bytes and all(model.token_to_id(character) is not None for character in alphabet))
