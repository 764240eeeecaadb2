"""Snakemake in a job of SLURM, without what it imports for other places: a third of its start.

    python in_job.py OPTION_OF_SNAKEMAKE ...

Snakemake imports the plugins of all executors, used or not. A job works by the one for this machine, which
is Snakemake's own.
"""

import sys
from pathlib import Path

from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

# What no module's name begins with.
NONE = "/"


def main() -> None:
    """Run Snakemake with the arguments of this process."""
    # As with `python -m snakemake`, and not the folder of this file.
    sys.path[0] = str(Path.cwd())
    ExecutorPluginRegistry.module_prefix = NONE
    from snakemake.cli import main as snakemake

    snakemake()


if __name__ == "__main__":
    main()
