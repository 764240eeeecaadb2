"""Sum up the squared gradients of all targets' units over one part of the fitted samples."""

from pathlib import Path

from mda.attribution import curvature, factor_files, influence
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import units
from mda.runtime import cli


def sum_lambdas(
    checkpoint: Path,
    train: Path,
    schedule: Path,
    watched: Path,
    eigen: list[Path],
    fit: sections.Fit,
    numerics: sections.Numerics,
    part: int,
    out: Path,
) -> None:
    """Write `out`: for each block the sum of Λ over samples, and how many they were.

    `eigen` has the eigenvectors in whose basis gradients are squared, if the strategy has any.
    """
    rows = influence.Rows(TokenStore(train), factor_files.rows(schedule, fit, part))
    wanted = units.read_units(watched)
    model = models.load(checkpoint, numerics.attention, numerics.attribution)
    tracker = influence.Tracker(model, wanted, fit.seed, precision=numerics.attribution)
    bases = curvature.unflatten(factor_files.tensors(eigen))
    sums = tracker.lambdas(rows, bases, fit.batch_size)
    factor_files.write(out, factor_files.to_arrays(curvature.flatten(sums)))


if __name__ == "__main__":
    cli.run(sum_lambdas)
