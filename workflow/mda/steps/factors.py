"""Fit the curvature factors of all targets' units in one pass."""

from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from mda import cli, files, influence, sections, units
from mda import model as models
from mda import schedule as schedules
from mda.tokens import TokenStore


def fit_factors(
    checkpoint: Path,
    train: Path,
    schedule: Path,
    targets: Path,
    fit: sections.Fit,
    numerics: sections.Numerics,
    out: Path,
) -> None:
    """Write `out`, a safetensors file with a tensor a factor and block, keyed `factor/module`.

    The factors are fitted on `fit.samples` rows drawn from the run's own stream.
    """
    store = TokenStore(train)
    rows = schedules.Schedule.read(schedule).row
    generator = np.random.default_rng(fit.seed)
    sample = np.sort(generator.choice(rows, size=fit.samples, replace=False))
    wanted = units.all_units(units.read_targets(targets))
    model = models.load(checkpoint, numerics.attention)
    tracker = influence.Tracker(model, wanted, fit.seed, precision=numerics.attribution)
    factors = tracker.fit(influence.Rows(store, sample), fit.strategy, fit.batch_size)
    with files.whole(out) as part:
        save_file(influence.flatten(factors), part, metadata={"made_by": files.made_by()})


if __name__ == "__main__":
    cli.run(fit_factors)
