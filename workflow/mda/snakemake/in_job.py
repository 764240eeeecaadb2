"""Snakemake in a job of SLURM, without what it imports for other places: a third of its start.

    python in_job.py OPTION_OF_SNAKEMAKE ...

Snakemake imports the plugins of all executors and reports, used or not. A job works by the executor for this
machine, which is Snakemake's own, and makes none of Snakemake's reports.
"""

import sys
from pathlib import Path

from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_report_plugins.registry import ReportPluginRegistry

# What no module's name begins with.
NONE = "/"


def no_plugins(registry: ReportPluginRegistry) -> None:
    """In place of importing any."""
    registry.plugins = {}


def main() -> None:
    """Run Snakemake with the arguments of this process."""
    # As with `python -m snakemake`, and not the folder of this file.
    sys.path[0] = str(Path.cwd())
    ExecutorPluginRegistry.module_prefix = NONE
    ReportPluginRegistry.collect_plugins = no_plugins
    from snakemake.cli import main as snakemake

    snakemake()


if __name__ == "__main__":
    main()
