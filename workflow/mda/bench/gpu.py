"""Speed and memory of training and scoring on one GPU, compared with its peak and with a tuned loop.

    python -m mda.bench.gpu PART FOLDER [--tiny]

measures one part and prints each line when it is known. Each part is a process of its own, with a limit
of time: what a later one does wrong leaves the lines of those before. `--tiny` is for machines without a GPU:
the same code on shapes that mean nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from mda.bench import gpu_scoring, gpu_small, gpu_training, large, shapes
from mda.bench.shapes import Setting
from mda.models import compilation

WORKFLOW = Path(__file__).parents[2]
CONTEXT, ROWS = 2048, {"14m": 64, "160m": 32}
# What `--tiny` trains; a CPU takes many times as long in bf16.
TINY = Setting("tiny", 32, 4, "fp32")
# Parts in order of worth, and seconds that each may take.
LIMITS = {
    "train-160m": 110,
    "score-160m": 110,
    "small": 60,
    "train-14m": 75,
    "score-14m": 50,
    "large-1b": 60,
    "large-7b": 100,
}


def part(name: str, folder: Path, tiny: bool = False) -> str:
    """Measure a part in a process of its own, which is ended after its time; what it printed."""
    command = [sys.executable, "-m", "mda.bench.gpu", name, str(folder), *(["--tiny"] if tiny else [])]
    found = os.pathsep.join(filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": found, "PYTHONUNBUFFERED": "1"}
    lines = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(LIMITS[name], process.kill)
        limit.start()
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        process.wait()
        limit.cancel()
    if process.returncode != 0:
        lines.append(
            f"Not all of {name} was measured: status {process.returncode}, {LIMITS[name]} s at most.\n"
        )
        print(lines[-1], end="", flush=True)
    return "".join(lines)


def main(arguments: list[str]) -> int:
    """Measure one part."""
    parser = argparse.ArgumentParser(prog="mda.bench.gpu")
    parser.add_argument("part", choices=LIMITS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("mda.training.acceleration").setLevel(logging.INFO)
    what, _, shape = given.part.partition("-")
    if given.tiny:
        shapes.SHAPES["tiny"] = shapes.Shape(2, 32, 2)
        compilation.BACKEND = "aot_eager"
        shape = "tiny"
    known = None if given.tiny or shape not in ROWS else Setting(shape, CONTEXT, ROWS[shape], "bf16")
    if what == "train":
        gpu_training.train(known or TINY, given.folder, repetitions=5 if known else 2)
    elif what == "score":
        setting = known or replace(TINY, precision="bf16")
        gpu_scoring.score(setting, given.folder, *((60, 512) if known else (2, 16)))
    elif what == "large":
        large.measured(shape, given.folder)
    else:
        tiny = gpu_small.Small(32, 4, 16, 64, 40)
        gpu_small.small(given.folder, tiny if given.tiny else gpu_small.Small())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
