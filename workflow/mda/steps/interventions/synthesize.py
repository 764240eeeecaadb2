"""Generate new samples from motifs."""

from pathlib import Path
from typing import Any

import numpy as np

from mda.corpus import encoding, tokens
from mda.corpus.tokens import TokenStore
from mda.interventions import motifs
from mda.models import sequences
from mda.runtime import cli, files, parquet
from mda.runtime.errors import UserError

# Tokens of each sample that are written as text too.
SHOWN = 256


def read_motifs(schema: Path) -> tuple[list[motifs.Motif], int]:
    """The motifs of a file of `mda.steps.interventions.motifs`, and how many samples they came from.

    Raises:
        UserError: when the file cannot be read or is no such file.
    """
    record = files.read_json(schema)
    try:
        return _motifs(record), _count(record["samples"])
    except KeyError as error:
        reason = f"the key {error} is missing"
    except ValueError as error:
        reason = str(error)
    raise UserError(
        f"{schema}: is no file of motifs ({reason}); check experiments.augmentation.motifs, or, if the run "
        "made it, delete it and run again"
    )


def _motifs(record: Any) -> list[motifs.Motif]:
    if not isinstance(record, dict):
        raise ValueError("it is no dictionary")
    if not isinstance(record["motifs"], list):
        raise ValueError("'motifs' is no list")
    found = [_motif(motif) for motif in record["motifs"]]
    if not found:
        raise ValueError("it has no motif")
    if len({len(motif.pattern) for motif in found}) > 1:
        raise ValueError("its patterns differ in length")
    return found


def _motif(record: Any) -> motifs.Motif:
    if not isinstance(record, dict):
        raise ValueError(f"a motif is {str(record)[:40]!r}")
    text = record["pattern"]
    places = text.split() if isinstance(text, str) else []
    # Variables are numbered as they appear, so a number beyond the length is a mistake.
    right = {str(number) for number in range(motifs.BEGIN, len(places))}
    if not places or not right.issuperset(places):
        raise ValueError(f"no pattern is {text!r:.60}")
    return motifs.Motif(tuple(map(int, places)), _count(record["samples"]))


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"'samples' is {value!r}, no positive number")
    return value


def synthesize(
    schema: Path, train: Path, tokenizer: Path, seed: int, count: int | None, out: Path, out_rows: Path
) -> None:
    """Write `out`, a token store of `count` samples (None: as many as the motifs came from).

    `out_rows` has the columns row, motif (number in the schema), text. Contents follow the
    frequency of the tokens in the training store.

    Raises:
        UserError: when `schema` is no file of motifs, or one of another context.
    """
    found, source_samples = read_motifs(schema)
    store, reader = TokenStore(train), tokens.load_tokenizer(tokenizer)
    length = len(found[0].pattern)
    if length != store.context + 1:
        raise UserError(
            f"{schema}: its motifs have {length} tokens, but rows here have {store.context + 1}; "
            "take motifs of an experiment with the same tokens.context"
        )
    begins = any(motifs.BEGIN in motif.pattern for motif in found)
    if encoding.ends(reader).begin is None and begins:
        raise UserError(
            f"{schema}: its motifs have tokens that begin a document, but here is none; take motifs of an "
            "experiment with the same tokens.tokenizer.begin"
        )
    ends = any(motifs.END in motif.pattern for motif in found)
    if encoding.ends(reader).begin is not None and ends and not begins:
        raise UserError(
            f"{schema}: its motifs have no tokens that begin a document, but here are some; take motifs "
            "of an experiment with the same tokens.tokenizer.begin"
        )
    ordinary = sequences.ordinary_tokens(reader)
    counts = np.bincount(np.asarray(store.tokens[:4096]).ravel(), minlength=int(ordinary.max()) + 1)
    frequencies = np.zeros(len(counts))
    frequencies[ordinary] = counts[ordinary]
    wanted = source_samples if count is None else count
    samples, numbers = motifs.generate(
        found, wanted, frequencies, encoding.ends(reader), seed, store.tokens.dtype
    )
    files.write_array(out, samples)
    texts = [
        text
        for part in np.array_split(samples[:, :SHOWN], max(1, len(samples) // 4096))
        for text in reader.decode_batch(part.tolist(), skip_special_tokens=True)
    ]
    parquet.write_table(out_rows, {"row": np.arange(len(samples)), "motif": numbers, "text": texts})


if __name__ == "__main__":
    cli.run(synthesize)
