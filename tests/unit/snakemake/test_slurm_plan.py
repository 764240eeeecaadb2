"""GPUs that a cluster's partitions have not, and accounts that are not the user's, are told at the start."""

from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError
from snakemake_executor_plugin_slurm.partitions import Partition, PartitionLimits

from mda.snakemake import slurm_plan, slurm_words

ANSWERS = {"sinfo": "cpu*|(null)\ngpu|gpu:a100:4\n", "sacctmgr": "lab\nother\n"}


class Resources(dict):
    """As Snakemake's: also by attribute."""

    __getattr__ = dict.__getitem__


def job(rule="base_run", **resources):
    given = Resources(mem_mb=4000, runtime=600, nodes=1, _cores=1, **resources)
    return SimpleNamespace(rule=SimpleNamespace(name=rule), name=rule, resources=given, threads=1)


@pytest.fixture
def answers(monkeypatch):
    given = dict(ANSWERS)
    monkeypatch.setattr(slurm_words, "ask", lambda *command: given.get(command[0]))
    return given


def check(*jobs, tmp_path, **partitions):
    listed = [Partition(name, PartitionLimits(**limits)) for name, limits in partitions.items()]
    return slurm_plan.check(jobs, listed, tmp_path / "partitions.yaml", None)


def test_a_default_partition_without_gpus_is_told_with_the_command_that_mends_it(
    answers, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkflowError) as error:
        check(job("corpus"), job(gpu=1), tmp_path=tmp_path)
    assert str(error.value) == (
        "the rule base_run needs a GPU, and the partition cpu, to which its jobs would go, has none; list "
        "the cluster's partitions in partitions.yaml: `generate-slurm-partition-config -o partitions.yaml` "
        "writes them"
    )
    assert check(job("corpus"), tmp_path=tmp_path) == "cpu"
    answers["sinfo"] = "cpu|(null)\ngpu*|gpu:4\n"
    assert check(job(gpu=1), tmp_path=tmp_path) == "gpu"


def test_the_sites_list_is_used(answers, tmp_path):
    limits = {"cpu": {"max_runtime": 6000}, "gpu": {"max_runtime": 6000, "max_gpu": 4}}
    assert check(job("corpus"), job(gpu=1), tmp_path=tmp_path, **limits) == "cpu"
    # A partition of its own, or another cluster.
    assert (
        check(job(gpu=1, slurm_partition="gpu"), job(gpu=1, slurm_cluster="far"), tmp_path=tmp_path) == "cpu"
    )
    with pytest.raises(
        WorkflowError, match="fits the rule base_run, which asks for gpu=8, mem_mb=4000, runtime=600"
    ):
        check(job(gpu=8), tmp_path=tmp_path, **limits)
    with pytest.raises(WorkflowError, match="the partition cpu, to which its jobs would go, has none"):
        check(job(gpu=1), tmp_path=tmp_path, cpu={"max_gpu": 2})


def test_an_account_is_one_of_the_users(answers, tmp_path):
    assert check(job("corpus", slurm_account="LAB"), tmp_path=tmp_path) == "cpu"
    with pytest.raises(WorkflowError, match=r"the account nope is not one of \w+'s \(lab, other\)"):
        check(job("corpus", slurm_account="nope"), tmp_path=tmp_path)
    # A site without accounting takes any.
    del answers["sacctmgr"]
    check(job("corpus", slurm_account="nope"), tmp_path=tmp_path)


def test_without_slurm_it_says_so(answers, tmp_path):
    del answers["sinfo"]
    with pytest.raises(WorkflowError, match="SLURM does not answer"):
        check(job("corpus"), tmp_path=tmp_path)
