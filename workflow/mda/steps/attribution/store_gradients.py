"""Store the gradients of one shard of the training samples in the chosen directions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mda.attribution import curvature, factor_files, influence, stored_directions, stored_gradients
from mda.attribution.pass_saves import PassSaves
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import units
from mda.runtime import cli, parquet
from mda.training import schedule as schedules


def store(
    checkpoint: Path,
    train: Path,
    schedule: Path,
    watched: Path,
    eigen: Path,
    directions: Path,
    fit: sections.Fit,
    numerics: sections.Numerics,
    steps: tuple[int, int],
    samples: int,
    shard: int,
    save_seconds: float,
    resume: Path,
    out: Path,
    out_samples: Path,
) -> None:
    """Write `out`, float16, with a line for each sample, and `out_samples`: its step, row, loss and cut_off.

    The last is how many of its numbers half precision cannot hold. A number is the gradient in a direction,
    divided by the direction's scale. Shard n has the samples n * `samples` and on of the stream of `steps`
    (from, to before). Held at once are a batch, and what is not saved. A killed job goes on from its last
    save in `resume`; the saves take as much disk as `out`, until it is whole.
    """
    step, rows = schedules.samples(schedule, steps, shard * samples, samples)
    kept = stored_directions.read_directions(directions)
    model = models.load(checkpoint, numerics.attention, numerics.attribution)
    tracker = influence.Tracker(model, units.read_units(watched), fit.seed, precision=numerics.attribution)
    bases = curvature.unflatten(factor_files.tensors([eigen]))
    saved = PassSaves(resume, save_seconds)
    losses, cut_off = [], []

    def parts() -> Iterator[np.ndarray]:
        wanted = influence.Rows(TokenStore(train), rows)
        found = stored_gradients.store(tracker, wanted, kept, bases, fit.batch_size, saved)
        for values, loss, cut in found:
            losses.append(loss)
            cut_off.append(cut)
            yield values

    stored_directions.write(out, len(rows), stored_directions.width(kept), parts())
    about = {"loss": np.concatenate(losses), "cut_off": np.concatenate(cut_off)}
    parquet.write_table(out_samples, {"step": step, "row": rows, **about})
    saved.forget()


if __name__ == "__main__":
    cli.run(store)
