"""Whether a cluster can run a plan: asked before anything is submitted."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake_executor_plugin_slurm.partitions import Partition, get_best_partition

from mda.snakemake import slurm_words

# Of the executor plugin.
WRITES_PARTITIONS = "generate-slurm-partition-config"
# Resources that send a job to another cluster.
CLUSTERS = ("slurm_cluster", "cluster", "clusters")


def check(jobs: Sequence[Any], partitions: Sequence[Partition], file: Path | None, logger: Any) -> str:
    """Hold the jobs against the cluster's GPUs and accounts; returns the default partition, or ''.

    Args:
        jobs: those that will be submitted.
        partitions: the site's list, perhaps empty.
        file: where that list is.

    Raises:
        WorkflowError: in one sentence, where SLURM does not answer, no partition has the GPUs that a job
            asks for, or an account is not the user's.
    """
    listed = slurm_words.ask("sinfo", "--all", "--noheader", "--format=%P|%G")
    if listed is None:
        raise WorkflowError(
            "SLURM does not answer (`sinfo` fails): start this where jobs can be submitted, or once the "
            "controller is back"
        )
    rows = [line.split("|", 1) for line in listed.splitlines() if "|" in line]
    with_gpus = {name.rstrip("*") for name, gres in rows if "gpu" in gres}
    default = next((name.rstrip("*") for name, _ in rows if name.endswith("*")), "")
    _check_gpus(
        [job for job in jobs if job.resources.get("gpu")], partitions, file, with_gpus, default, logger
    )
    asked = (job.resources.get("slurm_account") or "" for job in jobs)
    _check_accounts({account for named in asked for account in slurm_words.accounts(str(named))})
    return default


def _check_gpus(
    jobs: Sequence[Any],
    partitions: Sequence[Partition],
    file: Path | None,
    with_gpus: set[str],
    default: str,
    logger: Any,
) -> None:
    place = os.path.relpath(file) if file is not None else "the file of --slurm-partition-config"
    # Another cluster's partitions are not known here.
    here = [job for job in jobs if not any(job.resources.get(name) for name in CLUSTERS)]
    for job in {job.rule.name: job for job in here}.values():
        asked = job.resources.get("slurm_partition")
        chosen = asked or (get_best_partition(list(partitions), job, _Silent()) if partitions else None)
        # Of a list SLURM takes the first that can run the job.
        if with_gpus & set(str(chosen or default).split(",")):
            continue
        limits = f"mem_mb={job.resources.get('mem_mb')}, runtime={job.resources.get('runtime')} minutes"
        if chosen is None and partitions:
            fault = (
                f"no partition in {place} fits the rule {job.rule.name}, which asks for "
                f"gpu={job.resources.get('gpu')}, {limits}"
            )
        else:
            fault = (
                f"the rule {job.rule.name} needs a GPU, and the partition {chosen or default or '(none)'}, "
                "to which its jobs would go, has none"
            )
        raise WorkflowError(
            f"{fault}; list the cluster's partitions in {place}: `{WRITES_PARTITIONS} -o {place}` writes them"
        )


class _Silent:
    """A logger for questions that are asked again at the submission."""

    def debug(self, text: str) -> None: ...

    info = warning = debug


def _check_accounts(asked: set[str]) -> None:
    """Refuse an account that is not the user's, as far as the accounting database says."""
    if not asked:
        return
    user = getpass.getuser()
    listed = slurm_words.ask(
        "sacctmgr", "--noheader", "--parsable2", "list", "associations", f"user={user}", "format=account"
    )
    # A site without accounting has none, and takes any.
    known = {line.strip() for line in (listed or "").splitlines() if line.strip()}
    wrong = sorted(name for name in asked if name.lower() not in {one.lower() for one in known})
    if known and wrong:
        raise WorkflowError(
            f"the account {wrong[0]} is not one of {user}'s ({', '.join(sorted(known))}); name one of these "
            "as `account` in the profile's config.yaml, or null for SLURM's default"
        )
