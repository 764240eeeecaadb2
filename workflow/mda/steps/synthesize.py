"""Generate new samples from motifs."""

from pathlib import Path

import numpy as np

from mda import cli, files, motifs, sequences, tokens
from mda.errors import UserError
from mda.tokens import TokenStore

# Tokens of each sample that are written as text too.
SHOWN = 256


def synthesize(
    schema: Path, train: Path, tokenizer: Path, seed: int, count: int | None, out: Path, out_rows: Path
) -> None:
    """Write `out`, a token store of `count` samples (None: as many as the motifs came from).

    `out_rows` has the columns row, motif (number in the schema), text. Contents follow the
    frequency of the tokens in the training store.
    """
    record = files.read_json(schema)
    found = [
        motifs.Motif(tuple(map(int, motif["pattern"].split())), motif["samples"])
        for motif in record["motifs"]
    ]
    store, reader = TokenStore(train), tokens.load_tokenizer(tokenizer)
    length = len(found[0].pattern)
    if length != store.context + 1:
        raise UserError(
            f"{schema}: its motifs have {length} tokens, but rows here have {store.context + 1}; "
            "take motifs of an experiment with the same tokens.context"
        )
    ordinary = sequences.ordinary_tokens(reader)
    counts = np.bincount(np.asarray(store.tokens[:4096]).ravel(), minlength=int(ordinary.max()) + 1)
    frequencies = np.zeros(len(counts))
    frequencies[ordinary] = counts[ordinary]
    wanted = record["samples"] if count is None else count
    samples, numbers = motifs.generate(
        found, wanted, frequencies, tokens.separator(reader), seed, store.tokens.dtype
    )
    files.write_array(out, samples)
    texts = [
        text
        for part in np.array_split(samples[:, :SHOWN], max(1, len(samples) // 4096))
        for text in reader.decode_batch(part.tolist(), skip_special_tokens=True)
    ]
    files.write_table(out_rows, {"row": np.arange(len(samples)), "motif": numbers, "text": texts})


if __name__ == "__main__":
    cli.run(synthesize)
