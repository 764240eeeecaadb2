"""Join the parts of the covariances and find their eigenvectors."""

from pathlib import Path

from mda import cli, fitting, influence, sections, units
from mda import model as models


def decompose(
    checkpoint: Path,
    targets: Path,
    parts: list[Path],
    fit: sections.Fit,
    numerics: sections.Numerics,
    out: Path,
    out_covariance: Path,
) -> None:
    """Write `out`, eigenvectors and eigenvalues of each block's two covariances, and these, joined."""
    joined = fitting.join(parts)
    wanted = units.all_units(units.read_targets(targets))
    model = models.load(checkpoint, numerics.attention)
    tracker = influence.Tracker(model, wanted, fit.seed, precision=numerics.attribution)
    found = tracker.eigendecomposition(influence.unflatten(fitting.to_tensors(joined)), fit.strategy)
    fitting.write(out_covariance, joined)
    fitting.write(out, fitting.to_arrays(influence.flatten(found)))


if __name__ == "__main__":
    cli.run(decompose)
