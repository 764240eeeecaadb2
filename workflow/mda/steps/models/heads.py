"""Score every head of every checkpoint."""

from pathlib import Path

import torch

from mda.config import sections
from mda.corpus import tokens
from mda.models import metrics, sequences
from mda.models import model as models
from mda.runtime import cli, parallel, parquet
from mda.training import evaluations


def score(tokenizer: Path, checkpoints: Path, metrics_settings: sections.Metrics, out: Path) -> None:
    """Write `out` with a line for each checkpoint, layer and head.

    Columns: step, layer, head, prefix_matching, previous_token, copying; see
    `mda.models.metrics.head_scores` for what they are.
    """
    vocabulary = sequences.ordinary_tokens(tokens.load_tokenizer(tokenizer))
    repeated = sequences.repeated_tokens(
        vocabulary, metrics_settings.sequences, metrics_settings.length, metrics_settings.seed
    )
    batch = torch.from_numpy(repeated).to(parallel.device())
    records = []
    for folder in sorted(checkpoints.glob("step-*")):
        model = models.load(folder).eval()
        scores = metrics.head_scores(model, batch)
        values = {metric: getattr(scores, metric).tolist() for metric in metrics.HEAD_METRICS}
        records.append({"step": int(folder.name.removeprefix("step-")), **values})
    parquet.write_table(out, evaluations.tables(records)[1])


if __name__ == "__main__":
    cli.run(score)
