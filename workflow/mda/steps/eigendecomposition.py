"""Join the parts of the covariances and find their eigenvectors."""

from pathlib import Path

from mda import cli, curvature, fitting


def decompose(parts: list[Path], out: Path, out_covariance: Path) -> None:
    """Write `out`, eigenvectors and eigenvalues of the mean covariances, and these, joined."""
    joined = fitting.join(parts)
    found = curvature.eigendecomposition(curvature.unflatten(fitting.to_tensors(joined)))
    fitting.write(out_covariance, joined)
    fitting.write(out, fitting.to_arrays(curvature.flatten(found)))


if __name__ == "__main__":
    cli.run(decompose)
