"""Join the parts of the covariances and find their eigenvectors."""

from pathlib import Path

from mda.attribution import curvature, factor_files
from mda.runtime import cli


def decompose(parts: list[Path], out: Path, out_covariance: Path) -> None:
    """Write `out`, eigenvectors and eigenvalues of the mean covariances, and these, joined."""
    joined = factor_files.join(parts)
    found = curvature.eigendecomposition(curvature.unflatten(factor_files.to_tensors(joined)))
    factor_files.write(out_covariance, joined)
    factor_files.write(out, factor_files.to_arrays(curvature.flatten(found)))


if __name__ == "__main__":
    cli.run(decompose)
