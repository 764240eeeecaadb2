"""Sum up the covariances of all targets' units over one part of the fitted samples."""

from pathlib import Path

from mda.attribution import curvature, factor_files, influence
from mda.config import sections
from mda.corpus.tokens import TokenStore
from mda.models import model as models
from mda.models import units
from mda.runtime import cli


def sum_covariances(
    checkpoint: Path,
    train: Path,
    schedule: Path,
    watched: Path,
    fit: sections.Fit,
    numerics: sections.Numerics,
    part: int,
    out: Path,
) -> None:
    """Write `out`: sums over tokens of x xᵀ and g gᵀ of what blocks read and write, and their number."""
    rows = influence.Rows(TokenStore(train), factor_files.rows(schedule, fit, part))
    wanted = units.read_units(watched)
    model = models.load(checkpoint, numerics.attention, numerics.attribution)
    tracker = influence.Tracker(model, wanted, fit.seed, precision=numerics.attribution)
    sums = tracker.covariances(rows, fit.batch_size)
    factor_files.write(out, factor_files.to_arrays(curvature.flatten(sums)))


if __name__ == "__main__":
    cli.run(sum_covariances)
