"""SentencePiece's `tokenizer.model` as a tokenizer of the `tokenizers` library."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mda.corpus import encoding
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Texts on which the converted tokenizer is held against the original, and the share that may differ:
# the two libraries normalize a few rare characters differently.
COMPARED = 200
MOST_DIFFERENT = 0.01
SAMPLE = "The quick brown fox, 12 times;  two spaces </s> and a naïve end.\nA new line."

# Types of pieces, as SentencePiece numbers them.
NORMAL, CONTROL, USER_DEFINED, BYTE = 1, 3, 4, 6
SPOKEN = (NORMAL, USER_DEFINED, BYTE)
UNIGRAM, BPE = 1, 2


def convert(path: Path, texts: list[str]):
    """A `tokenizers.Tokenizer` that gives the same ids.

    Args:
        texts: on which that is checked, beside a fixed one.

    Raises:
        UserError: when the file is no such model, or the ids differ.
    """
    import sentencepiece
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
        original = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (DecodeError, OSError, RuntimeError):
        raise UserError(
            f"tokens.tokenizer.path: {path} is neither a tokenizer.json nor a SentencePiece model; name one "
            "of these, or a folder of a Transformers tokenizer"
        ) from None
    if proto.trainer_spec.model_type not in (UNIGRAM, BPE):
        raise UserError(
            f"tokens.tokenizer.path: {path} is a SentencePiece model of words or characters; only unigram "
            "and bpe can be used"
        )
    tokenizer = _assemble(proto)
    _compare(path, tokenizer, original, [SAMPLE, *texts])
    return tokenizer


def _assemble(proto):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers

    trained, normal = proto.trainer_spec, proto.normalizer_spec
    # Pieces that stand for no text have score 0, the best there is, but SentencePiece never takes them. A
    # lower one than the least would make unknown pieces cheaper.
    least = min(piece.score for piece in proto.pieces)
    pieces = [(piece.piece, piece.score if piece.type in SPOKEN else least) for piece in proto.pieces]
    if trained.model_type == UNIGRAM:
        model: Any = models.Unigram(pieces, trained.unk_id, trained.byte_fallback)
    else:
        from transformers.tokenization_utils_base import generate_merges

        vocabulary = {piece: number for number, (piece, _) in enumerate(pieces)}
        unspoken = {piece.piece for piece in proto.pieces if piece.type not in SPOKEN}
        merges = generate_merges(vocabulary, dict(pieces), unspoken)
        model = models.BPE(
            vocabulary,
            merges,
            unk_token=trained.unk_piece,
            fuse_unk=True,
            byte_fallback=trained.byte_fallback,
        )
    tokenizer = Tokenizer(model)
    tokenizer.add_tokens(
        [
            AddedToken(piece.piece, normalized=False, special=piece.type == CONTROL)
            for piece in proto.pieces
            if piece.type in (CONTROL, USER_DEFINED)
        ]
    )
    steps: list[Any] = []
    if normal.precompiled_charsmap:
        steps.append(normalizers.Precompiled(normal.precompiled_charsmap))
    if normal.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if normal.add_dummy_prefix:
        steps.append(normalizers.Prepend("▁"))
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    spoken: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if normal.add_dummy_prefix:
        spoken.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(spoken)
    return tokenizer


def _compare(path: Path, tokenizer, original, texts: list[str]) -> None:
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(tokenizer.to_str())
    # Any token will do.
    encoding.frame(copy, "<|end of text|>", None)
    encoder = encoding.Encoder(copy)
    different = [
        text
        for text, ids in zip(texts, encoder.encode(texts), strict=True)
        if ids[:-1].tolist() != original.encode(text)
    ]
    log.info("tokenizer: %d of %d texts have other ids than SentencePiece gives", len(different), len(texts))
    if len(different) > MOST_DIFFERENT * len(texts):
        raise UserError(
            f"tokens.tokenizer.path: {path} gives {len(different)} of {len(texts)} texts other tokens than "
            "SentencePiece does, so it cannot be used here; convert it to a tokenizer.json with Transformers"
        )
