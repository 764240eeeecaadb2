"""Extract the motifs of selected samples."""

from pathlib import Path

from mda.corpus import encoding, tokens
from mda.corpus.tokens import TokenStore
from mda.interventions import motifs
from mda.runtime import cli, files, parquet


def extract(selection: Path, train: Path, tokenizer: Path, top: int | None, shortest: int, out: Path) -> None:
    """Write `out`, a readable schema: a motif for each structure, with its layout and pattern.

    Motifs are those of the `top` first samples, None for all. See `mda.interventions.motifs.Motif` for what
    layout and pattern mean.
    """
    rows = parquet.read_first(selection, top, ["row"]).column("row").to_numpy()
    ends = encoding.ends(tokens.load_tokenizer(tokenizer))
    found = motifs.extract(TokenStore(train).take(rows), ends, shortest)
    record = {
        "samples": len(rows),
        "shortest": shortest,
        "motifs": [motif.record() for motif in found],
    }
    files.write_json(out, record)


if __name__ == "__main__":
    cli.run(extract)
