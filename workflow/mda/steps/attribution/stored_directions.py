"""Choose the directions in which samples' gradients are stored."""

from pathlib import Path

from mda.attribution import factor_files, stored_gradients
from mda.runtime import cli, files


def choose(lambdas: Path, values: int, out: Path) -> None:
    """Write `out`: of each unit the directions with the largest eigenvalues, `values` in all.

    Columns as `stored_gradients.choose` has them.
    """
    found: dict[str, dict] = {}
    for key, array in factor_files.read(lambdas).items():
        factor, block = key.split("/", 1)
        found.setdefault(factor, {})[block] = array
    sums, counts = found["lambda_matrix"], found["num_lambda_processed"]
    files.write_table(out, stored_gradients.choose(sums, counts, values))


if __name__ == "__main__":
    cli.run(choose)
