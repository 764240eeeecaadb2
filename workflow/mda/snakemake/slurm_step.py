"""Start the command of a SLURM job as a step of its allocation, by `srun`.

    python -I slurm_step.py OPTION_OF_SRUN ... COMMAND ...

So SLURM gives the command its CPUs, GPUs and memory, and signals it: a signal with a notice goes to the steps
of a job alone, and not to its batch script. It runs before anything of the project is read.
"""

import os
import sys

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


def main(*arguments: str) -> None:
    """Become `srun`, with one task that has the CPUs of the allocation."""
    try:
        command = ["srun", "-n1", "--cpu-bind=q", *arguments]
        os.execvpe("srun", command, environment(dict(os.environ)))  # noqa: S606
    except OSError as error:
        sys.exit(f"error: srun does not start ({error.strerror}); it must be in PATH on the nodes")


if __name__ == "__main__":
    main(*sys.argv[1:])
