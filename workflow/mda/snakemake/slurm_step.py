"""Start the command of a SLURM job as a step of its allocation, by `srun`.

    python -I slurm_step.py OPTION_OF_SRUN ... COMMAND ...

So SLURM gives the command its CPUs, GPUs and memory, and signals it: a signal with a notice goes to the steps
of a job alone, and not to its batch script. It runs before anything of the project is read.

The executor plugin starts all tasks of an array by the command of the first, with those of the others as one
more argument. Each of the others then starts its own, which begins in the same way.
"""

import base64
import json
import os
import sys
import zlib

# What that argument begins with.
TASKS = "--slurm-jobstep-array-execs="

# What says which job this is, and where SLURM is. All else describes the batch script, and `srun` would take
# it for settings of the step, against its options (as SLURM_TRES_PER_TASK, or SLURM_MEM_PER_CPU).
KEPT = {
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_CLUSTER_NAME",
    "SLURM_CONF",
    "SLURM_JOBID",
    "SLURM_JOB_ID",
    "SLURM_SUBMIT_DIR",
    "SLURM_SUBMIT_HOST",
}


def environment(found: dict[str, str]) -> dict[str, str]:
    """Of a batch script's environment, what its step gets."""
    return {
        name: value
        for name, value in found.items()
        if name in KEPT or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }


def own_command(tasks: str, task: str) -> str | None:
    """The command line of a task of an array; None of the first, whose command starts them all.

    Args:
        tasks: as the plugin packs the commands: JSON, in base64, of the task's number to hexadecimal zlib.
        task: the number of this task.
    """
    packed = json.loads(base64.b64decode(tasks))
    if task in packed:
        return zlib.decompress(bytes.fromhex(packed[task])).decode()
    if packed and int(task) != min(map(int, packed)) - 1:
        sys.exit(f"error: the array has no command for its task {task}; submit it again")
    return None


def main(*arguments: str) -> None:
    """Become `srun`, with one task that has the CPUs of the allocation."""
    if arguments and arguments[-1].startswith(TASKS):
        own = own_command(arguments[-1].removeprefix(TASKS), os.environ["SLURM_ARRAY_TASK_ID"])
        arguments = arguments[:-1]
        if own is not None:
            os.execv("/bin/sh", ["sh", "-c", own])  # noqa: S606
    try:
        command = ["srun", "-n1", "--cpu-bind=q", *arguments]
        os.execvpe("srun", command, environment(dict(os.environ)))  # noqa: S606
    except OSError as error:
        sys.exit(f"error: srun does not start ({error.strerror}); it must be in PATH on the nodes")


if __name__ == "__main__":
    main(*sys.argv[1:])
