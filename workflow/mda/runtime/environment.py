"""The environment variables that steps get: those of the shell, without the ones that are listed here.

A notebook, a container, a job of a cluster or a shell's settings would else change what a step computes, or
end it. What is not listed passes: HF_*, CUDA_VISIBLE_DEVICES, SLURM_*, proxies, TMPDIR, HOME. Numbers of
threads are Snakemake's to set.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

SET = {
    # A notebook's backend draws nowhere.
    "MPLBACKEND": "Agg",
    # Texts are UTF-8 and the system's messages English, whatever the language of the shell.
    "LC_ALL": "C",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",
    # A file of the working folder named as a package does not stand for it.
    "PYTHONSAFEPATH": "1",
}
# Of an image, or of an environment of Snakemake's making: packages in the user's home are not part of it.
SET_WHEN_DEPLOYED = {"PYTHONNOUSERSITE": "1"}
# The folder of a warm Python (`mda.runtime.warm_python`), which `mda run` starts.
WARM = "MDA_WARM_PYTHON"
CLEARED = (
    # Of a run that has ended.
    WARM,
    # Another interpreter's files, and other ways to run.
    "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE",
    "PYTHONINSPECT", "PYTHONDEBUG", "PYTHONVERBOSE", "PYTHONDEVMODE", "PYTHONIOENCODING",
    "PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC",
    "LANGUAGE", "MATPLOTLIBRC",
    # A step is alone unless `mda.steps.launch` says otherwise; these are of what started the shell.
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_NAME",
    "ROLE_RANK", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS", "TORCHELASTIC_USE_AGENT_STORE",
    # fp32 is fp32; `numerics` in config.yaml sets anything less.
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    # Jobs side by side would be bound to the same cores.
    "OMP_PROC_BIND", "OMP_PLACES", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "GOMP_CPU_AFFINITY", "KMP_AFFINITY",
)  # fmt: skip


def of_steps(package: Path, python: Path | None, warm: str | None = None, shared: bool = False) -> str:
    """Shell commands that make the environment of a step, ended by a semicolon.

    Args:
        package: the folder that steps import the package from.
        python: the folder of the Python that runs Snakemake, which runs the steps as well; None of steps that
            run in a container or an environment of Snakemake's making.
        warm: the folder of a warm Python, which stands before it.
        shared: whether rules of another workflow get it too, which keep what is theirs.
    """
    folders = [] if python is None else [*([warm] if warm else []), str(python)]
    path = [f"export PATH={':'.join(map(shlex.quote, folders))}:$PATH"] if folders else []
    if shared:
        return "; ".join([f"export PYTHONPATH={shlex.quote(str(package))}:${{PYTHONPATH:-}}", *path]) + "; "
    values = {"PYTHONPATH": str(package), **SET, **(SET_WHEN_DEPLOYED if python is None else {})}
    commands = [f"unset {' '.join(CLEARED)}"]
    commands += [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return "; ".join([*commands, *path]) + "; "


def cleaned(inherited: Mapping[str, str]) -> dict[str, str]:
    """The same for Snakemake and scripts beside the package, which find it by their own place."""
    kept = {name: value for name, value in inherited.items() if name not in CLEARED} | SET
    del kept["PYTHONSAFEPATH"]
    return kept
