"""One of several processes that walk back through the training of test_trajectory.py.

    torchrun --nproc-per-node 2 -m unit.attribution.walking FOLDER WAYS end|kill|tell CALLS

WAYS are plain, fused, or both with a comma: how losses are computed. At so many pairs of passes the second
process is killed, or told to end; `end` lets it go to the end. The first writes FOLDER/found.npz.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from conftest import NUMERICS
from unit.attribution import test_trajectory

from mda.models import metrics
from mda.runtime import interruption, parallel
from mda.runtime.errors import UserError

SIGNALS = {"kill": signal.SIGKILL, "tell": signal.SIGTERM}


def walk(folder: Path, save_seconds: float = 1e9):
    """A walk in float64 with a metric and the held-out loss, and a state every three updates."""
    found = test_trajectory.walk(folder, test_trajectory.of_every_role(), 0.5, 3, save_seconds=save_seconds)
    found.asked = [found.asked[0], found.asked[3]]
    return found


def main(folder: Path, ways: str, how: str, calls: int) -> None:
    torch.nn.functional.softmax = test_trajectory.softmax
    # The held-out loss has three parts, one more of which is the first process's: it has less memory.
    metrics.BATCH = 2 + parallel.rank()
    found = {}
    for way in ways.split(","):
        mine = walk(folder / way, 0 if how == "kill" else 1e9)
        mine.exact.numerics = NUMERICS.model_copy(update={"acceleration": way})
        if parallel.rank() == 1 and how in SIGNALS:
            mine._differences = stopped(mine._differences, SIGNALS[how], calls)
        found |= {f"{way}-{key}": value for key, value in mine.follow()._asdict().items()}
    if parallel.rank() == 0:
        np.savez(folder / "found.npz", **found)


def stopped(function, number: int, calls: int):
    made = []

    def run(*arguments):
        made.append(1)
        if len(made) == calls:
            os.kill(os.getpid(), number)
        return function(*arguments)

    return run


if __name__ == "__main__":
    with parallel.group(), interruption.watched():
        try:
            main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
        except UserError as error:
            sys.exit(f"{error} (process {parallel.rank()})")
