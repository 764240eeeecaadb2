"""Score the run's samples by the norm of their gradient in a target's units, a control without a probe."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mda.attribution import passes, watching
from mda.attribution.pass_saves import PassSaves
from mda.attribution.watching import Seen
from mda.config import sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import units
from mda.runtime import cli, parquet
from mda.runtime.errors import UserError
from mda.training import schedule as schedules


def score(
    checkpoint: Path,
    train: Path,
    schedule: Path,
    targets: Path,
    target: unit_sections.Target,
    numerics: sections.Numerics,
    batch_size: int,
    steps: tuple[int, int],
    save_seconds: float,
    resume: Path,
    out: Path,
) -> None:
    """Write `out`: step, row, score, for the samples of `steps` (from, to before).

    A killed job goes on from its last save in `resume`.
    The score is the norm of the gradient of the sample's summed cross-entropy, over all blocks that count.

    Raises:
        UserError: when one is not finite.
    """
    stream = schedules.Schedule.read(schedule).between(*steps)
    model = models.load(checkpoint, numerics.attention, numerics.attribution)
    found = watching.blocks_of(model, units.read_targets(targets)[target.name])
    blocks = [block for own in found.values() for kind, block in own.items() if kind in target.blocks]

    def norms(seen: Seen, losses: torch.Tensor) -> torch.Tensor:
        squares = torch.zeros_like(losses)
        for block in blocks:
            squares += watching.squared_norms(seen.read(block), seen.written(block))
        return squares.sqrt().double().cpu()

    def run(part: passes.Rows) -> Iterator[tuple[torch.Tensor]]:
        about, precision = "gradient norms", numerics.attribution
        return ((found,) for found in passes.over(model, blocks, part, batch_size, norms, about, precision))

    saved = PassSaves(resume, save_seconds)
    parts = saved.resumed(passes.Rows(TokenStore(train), stream.row), run)
    scores = torch.cat([found for (found,) in parts]).numpy()
    if not np.isfinite(scores).all():
        raise UserError(
            f"target {target.name}: the gradient norm of {(~np.isfinite(scores)).sum()} of {len(scores)} "
            "samples is not finite; choose another attribution.checkpoint"
        )
    parquet.write_table(out, {"step": stream.step, "row": stream.row, "score": scores})
    saved.forget()


if __name__ == "__main__":
    cli.run(score)
