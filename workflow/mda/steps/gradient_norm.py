"""Score the run's samples by the norm of their gradient in a target's units, a control without a probe."""

from pathlib import Path

import torch

from mda import cli, files, sections, surgery, tap_gradients, units
from mda import model as models
from mda import schedule as schedules
from mda.progress import Progress
from mda.tokens import TokenStore


def score(
    checkpoint: Path,
    train: Path,
    schedule: Path,
    targets: Path,
    target: sections.Target,
    numerics: sections.Numerics,
    batch_size: int,
    steps: tuple[int, int],
    out: Path,
) -> None:
    """Write `out`: step, row, score, for the samples of `steps` (from, to before).

    The score is the norm of the gradient of the sample's summed cross-entropy, over all blocks that count.
    """
    stream = schedules.Schedule.read(schedule).between(*steps)
    model = models.load(checkpoint, numerics.attention)
    blocks = surgery.split(model, units.read_targets(targets)[target.name])
    names = [name for mine in blocks.values() for block, name in mine.items() if block in target.blocks]
    progress, norms = Progress("gradient norms", len(stream.row)), []
    for seen in tap_gradients.of_losses(model, names, TokenStore(train), stream.row, batch_size):
        squares = [tap_gradients.squared_norms(*pair) for pair in seen.values()]
        norms.append(torch.stack(squares).sum(dim=0).sqrt().double().cpu())
        progress.advance(len(norms[-1]))
    files.write_table(out, {"step": stream.step, "row": stream.row, "score": torch.cat(norms).numpy()})


if __name__ == "__main__":
    cli.run(score)
