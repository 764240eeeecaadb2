"""Measure where time and memory go on this machine.

It prints tables in Markdown, as benchmarks.md has them, and keeps them in results/bench/. All sections
take some 20 minutes. The section `start` measures a finished project, so run `mda run` before.
"""

from __future__ import annotations

import argparse
import subprocess
import warnings
from pathlib import Path

from mda.runtime import files
from mda.runtime.errors import UserError

EXAMPLES = """\
examples:
  mda bench                            everything
  mda bench throughput memory          two sections
  mda bench tables --samples 1000000 100000000
  mda bench throughput --shapes 14m --context 512 --repetitions 3
"""

# What each section compares. Their code needs torch, which is slow to import, so it is loaded later.
SECTIONS = {
    "throughput": "scoring against training, in tokens a second",
    "one-at-a-time": "all heads at once against one head and one sample at a time",
    "stored": "storing gradients, and answering from them, against scoring by a pass",
    "memory": "peaks of training and scoring at the same batch",
    "samples": "peaks of memory by the number of samples",
    "tables": "memory and time of the steps that read all scores",
    "start": "what a step and Snakemake cost before the work begins",
    "training": "retraining against a bare loop",
    "precisions": "fp32 against bf16",
    "scale": "what larger models would take, on paper",
    "gpu": "training and scoring on one GPU, ten minutes at most",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    listed = "; ".join(f"{name}: {what}" for name, what in SECTIONS.items())
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"which to measure, all without. {listed}"
    )
    parser.add_argument(
        "--shapes",
        nargs="+",
        metavar="SHAPE",
        help="sizes of Pythia to measure, such as 14m or 160m; on a GPU 14m and 160m, else 14m",
    )
    parser.add_argument(
        "--context", type=int, metavar="N", help="tokens of a sample; on a GPU 2048, else 512"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="samples to work on; on a GPU 64, else 8")
    parser.add_argument(
        "--samples",
        type=int,
        nargs="+",
        default=[10**6, 10**7],
        metavar="N",
        help="samples of the section tables; a million and ten, of which ten take 4 GB of disk",
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="how often each is measured; 5"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("results/bench"),
        metavar="FOLDER",
        help="where the tables are kept; results/bench",
    )


def main(given: argparse.Namespace) -> int:
    """Print and keep the sections; returns the exit status."""
    unknown = sorted(set(given.sections) - set(SECTIONS))
    if unknown:
        raise UserError(f"no section '{unknown[0]}'; choose from {', '.join(SECTIONS)}")
    import torch

    from mda.bench import sections
    from mda.bench.shapes import SHAPES

    cuda = torch.cuda.is_available()
    shapes = given.shapes or (["14m", "160m"] if cuda else ["14m"])
    strange = sorted(set(shapes) - set(SHAPES))
    if strange:
        raise UserError(f"--shapes: no shape '{strange[0]}'; choose from {', '.join(SHAPES)}")
    asked = sections.Given(
        shapes,
        given.context or (2048 if cuda else 512),
        given.rows or (64 if cuda else 8),
        given.repetitions,
        given.folder,
        given.samples,
    )
    warnings.filterwarnings("ignore", category=FutureWarning, module="kronfluence")
    print(f"{sections.machine()}\n", flush=True)
    failed = []
    for name in given.sections or SECTIONS:
        title, measure = sections.SECTIONS[name]
        try:
            text = f"## {title}\n\n{measure(asked)}"
        except (RuntimeError, OSError, UserError, subprocess.CalledProcessError) as error:
            # What follows may well be measured.
            failed.append(name)
            text = f"## {title}\n\nNot measured: {error}\n"
        files.write_text(asked.folder / f"{name}.md", text)
        print(text, flush=True)
        if cuda:
            torch.cuda.empty_cache()
    return 1 if failed else 0
