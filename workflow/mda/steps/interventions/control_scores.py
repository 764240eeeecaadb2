"""Score the run's samples by a control that needs no gradient."""

from pathlib import Path

import numpy as np

from mda.config import sections
from mda.corpus import tokens as token_files
from mda.corpus.tokens import TokenStore
from mda.interventions import selection
from mda.models import sequences
from mda.runtime import cli, files
from mda.training import schedule as schedules


def score(
    method: str,
    train: Path,
    tokenizer: Path,
    schedule: Path,
    probe: sections.Probe | None,
    steps: tuple[int, int],
    out: Path,
) -> None:
    """Write `out`: step, row, score, for the samples of `steps` (from, to before).

    Methods: 'repetition', and 'bm25': similarity to the tokens of the `probe`.
    """
    stream = schedules.Schedule.read(schedule).between(*steps)
    store = TokenStore(train)
    if method == "repetition":
        scores = selection.repetition_scores(store, stream.row)
    else:
        assert probe is not None
        vocabulary = sequences.ordinary_tokens(token_files.load_tokenizer(tokenizer))
        scores = selection.bm25_scores(store, stream.row, sequences.of_probe(probe, vocabulary))
    files.write_table(out, {"step": stream.step, "row": stream.row, "score": np.asarray(scores, np.float64)})


if __name__ == "__main__":
    cli.run(score)
