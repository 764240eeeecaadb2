"""Run a step in one process, or in several that train together.

    python -m mda.steps.launch 4 mda.steps.training.base_run --tokenizer FILE ...

Each gets a GPU of its own that no other job holds, if the machine has any. Several are started
and watched by torch's own launcher (what `torchrun` runs) on this machine; when one fails, the
others are stopped.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import traceback
import warnings
from types import FrameType

from mda.runtime import gpus
from mda.runtime.errors import UserError

# The steps whose processes share the work.
TOGETHER = (
    "mda.steps.training.base_run",
    "mda.steps.training.retrain",
    "mda.steps.attribution.trajectory",
)
# The first step that takes long: before it the model is made and the users' probes are asked.
CHECKED_FIRST = ("mda.steps.training.base_run",)


def main(processes: str, module: str, *arguments: str) -> None:
    """Run `module` with the arguments; exit with its status."""
    if not processes.isdigit() or int(processes) < 1:
        sys.exit(f"error: the resource gpu is '{processes}', but must be a number of processes, at least 1")
    if int(processes) > 1 and module not in TOGETHER:
        sys.exit(f"error: {module} uses one GPU, but its resource gpu is {processes}; set it to 1")
    if module in CHECKED_FIRST and "MDA_CHECK" in os.environ:
        _check(os.environ["MDA_CHECK"])
    try:
        gpus.claim(int(processes))
    except UserError as error:
        sys.exit(f"error: {error}")
    if int(processes) == 1:
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(processes),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        # At these the launcher would end the others after half a minute, in the middle of a save.
        signals_to_handle="SIGHUP,SIGQUIT",
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _pass_on)
    try:
        elastic_launch(config, sys.executable)("-m", module, *arguments)
    except ChildFailedError:
        # The process has said what was wrong.
        sys.exit(1)


def _check(asked: str) -> None:
    """Ask the users' probes in a process of their own, which has what this one has imported.

    A probe may set what would change the training.
    """
    from mda.attribution import checks

    with warnings.catch_warnings():
        # The child has none of the threads that Python 3.12 warns of, and makes its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = checks.run(asked)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        sys.exit(1)


def _pass_on(number: int, frame: FrameType | None) -> None:
    """Tell the processes, which save and then end by themselves."""
    del frame
    import psutil

    for process in psutil.Process().children():
        process.send_signal(number)


if __name__ == "__main__":
    main(*sys.argv[1:])
