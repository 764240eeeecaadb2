"""Score the run's samples by a control that needs no gradient."""

from pathlib import Path

import numpy as np

from mda.config import unit_sections
from mda.corpus import prompts
from mda.corpus import tokens as token_files
from mda.corpus.tokens import TokenStore
from mda.interventions import selection
from mda.models import sequences
from mda.runtime import cli, external_files, parquet
from mda.training import schedule as schedules


def score(
    method: str,
    train: Path,
    tokenizer: Path,
    schedule: Path,
    probe: unit_sections.Probe | None,
    steps: tuple[int, int],
    out: Path,
    content: str = external_files.NOTHING,
) -> None:
    """Write `out`: step, row, score, for the samples of `steps` (from, to before).

    Methods: 'repetition', 'bigram', 'compressibility', and 'bm25': similarity to the tokens of the `probe`.
    `content` is that of the probe's own file when the run was planned.
    """
    stream = schedules.Schedule.read(schedule).between(*steps)
    store = TokenStore(train)
    if method == "repetition":
        scores = selection.repetition_scores(store, stream.row)
    elif method == "bigram":
        scores = selection.bigram_scores(store, stream.row)
    elif method == "compressibility":
        reader = token_files.load_tokenizer(tokenizer)
        scores = selection.compressibility_scores(store, stream.row, reader)
    else:
        assert probe is not None
        reader = token_files.load_tokenizer(tokenizer)
        if probe.path is not None:
            external_files.check([Path(probe.path)], content)
            queries = prompts.sequences(reader, Path(probe.path), store.context)
        else:
            queries = list(sequences.of_probe(probe, sequences.ordinary_tokens(reader)))
        scores = selection.bm25_scores(store, stream.row, queries)
    parquet.write_table(
        out, {"step": stream.step, "row": stream.row, "score": np.asarray(scores, np.float64)}
    )


if __name__ == "__main__":
    cli.run(score)
