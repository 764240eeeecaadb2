"""What happens before the first job of a run."""

import signal
from types import SimpleNamespace

import pytest
from snakemake import common, jobs, rules

from mda.snakemake import run_start


def test_a_function_in_the_rules_is_inspected_once(monkeypatch):
    inspected = []

    def parameters(function):
        inspected.append(function)
        return {"wildcards": None}

    for module in (common, jobs, rules):
        monkeypatch.setattr(module, "get_function_params", parameters)
    run_start.look_at_functions_once()
    # The rules of another experiment, in a workflow that uses this one as a module.
    run_start.look_at_functions_once()
    for module in (common, jobs, rules, rules):
        assert module.get_function_params(parameters) == {"wildcards": None}
    assert inspected == [parameters]


def test_the_first_ctrl_c_alone_ends_a_run_without_a_cluster():
    handler = signal.getsignal(signal.SIGINT)
    try:
        run_start.end_once(SimpleNamespace(local_exec=False))
        assert signal.getsignal(signal.SIGINT) is handler
        run_start.end_once(SimpleNamespace(local_exec=True))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)


class Executor:
    """Of Snakemake: it is told of jobs that have ended well."""

    def __init__(self):
        self.told = []

    def handle_job_success(self, job):
        self.told.append(job)


class Job(SimpleNamespace):
    """Of Snakemake, with a log."""

    def is_group(self):
        return False


class Group(list):
    """Several jobs in one."""

    def is_group(self):
        return True


@pytest.mark.parametrize("cluster", [True, False])
def test_on_a_cluster_alone_files_of_jobs_and_steps_are_joined(tmp_path, cluster):
    names = (
        "retrain/base/seed-0.log",
        "retrain/base/seed-1.log",
        "intervene/mask/seed-0.log",
        "elsewhere.log",
    )
    logs = [tmp_path / "results" / "logs" / name for name in names[:3]] + [tmp_path / names[3]]
    for path in logs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    first, second, step, other = (Job(log=[str(log)]) for log in logs)
    remote, beside = Executor(), Executor() if cluster else None
    scheduler = SimpleNamespace(_executor=remote, _local_executor=beside)
    workflow = SimpleNamespace(local_exec=not cluster, scheduler=scheduler)
    run_start.join_files_of_jobs(workflow, tmp_path / "results")
    done = Group([first, second])
    # The log of the last one is gone, which is no failure.
    for job in (done, other, Job(log=["gone.log"])):
        remote.handle_job_success(job)
    (beside or remote).handle_job_success(step)
    assert remote.told[:2] == [done, other]
    assert (beside or remote).told[-1] is step
    left = {path.name for path in tmp_path.rglob("*.log")}
    assert left == {"elsewhere.log"} | (
        {"retrain.log", "intervene.log"} if cluster else {"seed-0.log", "seed-1.log"}
    )
