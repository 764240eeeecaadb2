"""Choose the directions in which samples' gradients are stored."""

import math
from functools import partial
from pathlib import Path

import numpy as np

from mda.attribution import factor_files, stored_directions
from mda.runtime import cli, parquet


def choose(lambdas: Path, values: int, out: Path) -> None:
    """Write `out`: of each unit the directions with the largest eigenvalues, `values` in all.

    Columns as `stored_directions.choose` has them.
    """
    with factor_files.opened(lambdas) as factors:
        blocks, sizes = {}, {}
        keys = factors.keys()
        for key in keys:
            factor, block = key.split("/", 1)
            if factor == "lambda_matrix":
                blocks[block] = partial(_means, factors, block)
                sizes[block] = math.prod(factors.get_slice(key).get_shape())
        parquet.write_table(out, stored_directions.choose(blocks, sizes, values))


def _means(factors, block: str) -> np.ndarray:
    total, count = (
        factors.get_tensor(f"{name}/{block}") for name in ("lambda_matrix", "num_lambda_processed")
    )
    total /= count.astype(total.dtype)
    return total


if __name__ == "__main__":
    cli.run(choose)
