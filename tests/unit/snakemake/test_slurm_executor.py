"""The executor against stand-ins for SLURM's programs: refusals, silence, reasons, retries, Ctrl-C."""

import asyncio
import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from throttler import Throttler

from mda.snakemake import slurm_executor, slurm_step
from mda.snakemake.slurm_executor import HERE, IN_JOB, Executor


class Resources(dict):
    """As Snakemake's: also by attribute."""

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(name)
        return self[name]


class Rule:
    name = "retrain"

    def expand_resources(self, wildcards, input, attempt, skip_evaluation):
        return {"mem_mb": 1000 * attempt, "runtime": min(30 * attempt, 60), "longest": 60}


class Job:
    """What the executor reads of Snakemake's jobs."""

    name, rule, threads, is_local, input = "retrain", Rule(), 1, False, ()
    restart_times = 2

    def __init__(self, seed=0):
        self.wildcards, self.wildcards_dict = [str(seed)], {"seed": str(seed)}
        self.jobid, self.attempt, self._resources = seed, 1, None

    def is_group(self):
        return False

    @property
    def resources(self):
        return self._resources or Resources(self.rule.expand_resources(None, None, 1, ()))


class Logger(list):
    """Keeps what is said to users."""

    def warning(self, text, **_):
        self.append(text)

    info = debug = lambda self, text, **_: None
    error = warning


class Programs:
    """Stand-ins for SLURM's programs: shell scripts, which note their calls."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, name, text):
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho x >>"{self.folder}/{name}.calls"\n{text}\n')
        path.chmod(0o755)

    def calls(self, name):
        path = self.folder / f"{name}.calls"
        return path.read_text().count("x") if path.exists() else 0


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = Programs(tmp_path)
    found.write("squeue", "exit 0")
    found.write("sbatch", "echo 7")
    found.write("scontrol", "exit 1")
    found.write("sacct", "exit 1")
    return found


@pytest.fixture
def executor(tmp_path, monkeypatch):
    """An executor without Snakemake around it; `told` are the jobs that it has reported."""
    made = Executor.__new__(Executor)
    settings = SimpleNamespace(
        requeue=True, no_requeue=False, qos=None, reservation=None, pass_command_as_script=False,
        keep_successful_logs=True, init_seconds_before_status_checks=1, status_attempts=2,
        status_command="squeue",
    )  # fmt: skip
    scheduler = SimpleNamespace(_user_kill=None)
    scheduler.exit_gracefully = lambda: setattr(scheduler, "_user_kill", "graceful")
    made.workflow = SimpleNamespace(
        executor_settings=settings, workdir_init=str(tmp_path), scheduler=scheduler
    )
    made.logger, made.run_uuid, made.slurm_logdir = Logger(), "this-run", tmp_path / "logs"
    made._failed_nodes, made._submitted_job_clusters, made._partitions = set(), set(), []
    made._fallback_partition, made._main_event_loop, made.array_jobs = "cpu", None, set()
    made._job_submission_executor, made.max_array_size = ThreadPoolExecutor(2), 40
    made._preemption_warning, made._status_query_cycle_rows = False, []
    made._status_query_calls = made._status_query_failures = 0
    made._status_query_total_seconds = made._status_query_max_seconds = 0.0
    made._status_query_min_seconds = None
    made.status_rate_limiter = Throttler(rate_limit=100, period=1)
    made.format_job_exec = lambda job: "true"
    made.run_job_pre, made._next_seconds_between_status_checks = lambda job: None, 1
    made.prepare()
    made.submitted, made.failed, made.done, made.left = [], [], [], []
    scheduler.error_callback = made.left.append
    monkeypatch.setattr(Executor, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(Executor, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(
        RemoteExecutor, "report_job_submission", lambda self, info: made.submitted.append(info.external_jobid)
    )
    monkeypatch.setattr(
        RemoteExecutor,
        "report_job_error",
        lambda self, info, msg=None, **_: made.failed.append((info.job, msg)),
    )
    monkeypatch.setattr(RemoteExecutor, "report_job_success", lambda self, info: made.done.append(info.job))
    return made


AWAY = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
FULL = """sbatch: error: AssocMaxSubmitJobLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"""


@pytest.mark.parametrize("said", [AWAY, FULL])
def test_a_refused_job_is_submitted_again(executor, programs, said):
    programs.write(
        "sbatch",
        f'[ $(wc -l <"{programs.folder}/sbatch.calls") -gt 3 ] && echo 7 && exit\ncat >&2 <<E\n{said}\nE\n'
        "exit 1",
    )
    job = Job()
    executor.run_job(job)
    assert (executor.submitted, executor.failed, job.attempt) == (["7"], [], 1)
    assert programs.calls("sbatch") == 4
    # One line for all refusals in the same words.
    assert len(executor.logger) == 1
    assert executor.logger[0].startswith("SLURM takes no more jobs for now (")


def test_a_job_that_would_be_refused_again_fails_at_once(executor, programs):
    programs.write(
        "sbatch", "echo 'sbatch: error: Batch job submission failed: Invalid qos specification' >&2; exit 1"
    )
    job = Job()
    executor.run_job(job)
    assert executor.failed == [
        (job, "SLURM refuses the job: Batch job submission failed: Invalid qos specification\n")
    ]
    # Snakemake tries it again as long as there are retries.
    assert job.attempt > job.restart_times
    assert programs.calls("sbatch") == 1


def test_a_job_that_was_taken_without_an_answer_is_not_submitted_twice(executor, programs):
    programs.write("sbatch", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
    programs.write("squeue", "echo '5|rule_retrain_wildcards_0'; echo '6|rule_retrain_wildcards_1'")
    executor.run_job(Job(1))
    assert executor.submitted == ["6"]
    assert programs.calls("sbatch") == 1
    # One that is known is of an earlier attempt.
    programs.write(
        "sbatch", f'[ $(wc -l <"{programs.folder}/sbatch.calls") -gt 2 ] && echo 9 && exit; exit 1'
    )
    executor.run_job(Job(1))
    assert executor.submitted == ["6", "9"]


def test_without_an_answer_on_what_was_taken_nothing_is_submitted(executor, programs):
    programs.write("sbatch", f"echo '{AWAY}' >&2; exit 1")
    programs.write("squeue", "exit 1")
    thread = threading.Thread(target=executor.run_job, args=(Job(),))
    thread.start()
    limit = time.monotonic() + 20
    while programs.calls("squeue") < 3 and time.monotonic() < limit:
        time.sleep(0.02)
    assert programs.calls("sbatch") == 1
    executor.ending.set()
    thread.join(20)
    assert (len(executor.left), executor.failed) == (1, [])


def active(executor, *numbers):
    infos = [
        SubmittedJobInfo(Job(int(number)), number, {"slurm_logfile": Path("none.log")}) for number in numbers
    ]
    for info in infos:
        executor._report_job_submission_threadsafe(info)
    return infos


def look(executor, infos):
    async def all_of():
        return [info async for info in executor.check_active_jobs(infos)]

    return asyncio.run(all_of())


def test_jobs_are_kept_while_slurm_does_not_answer(executor, programs):
    infos = active(executor, "1", "2")
    programs.write("squeue", "exit 1")
    assert look(executor, infos) == infos
    assert look(executor, infos) == infos
    programs.write("scontrol", "echo MinJobAge = 300 sec")
    programs.write("squeue", "echo '1|COMPLETED'; echo '2|RUNNING'")
    assert look(executor, infos) == infos[1:]
    assert executor.done == [infos[0].job]
    assert list(executor.held) == ["2"]
    assert executor.logger == [
        "SLURM does not answer; its jobs (2) go on, and this run waits for it",
        "SLURM answers again",
    ]


def test_a_job_that_has_ended_well_leaves_no_log_of_slurms(executor, programs, tmp_path):
    """Nor a folder; what a failed attempt has left stays."""
    executor.workflow.executor_settings.keep_successful_logs = False
    programs.write("scontrol", "echo MinJobAge = 300 sec")
    programs.write("squeue", "echo '1|COMPLETED'; echo '2|COMPLETED'; echo '3_1|COMPLETED'")
    slurms = [tmp_path / "logs" / "rule_retrain" / name for name in ("0/1.log", "1/2.log", "3_1.log")]
    for path in (*slurms, failed := slurms[1].with_name("1.log")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    jobs = [Job(seed) for seed in range(3)]
    infos = [
        SubmittedJobInfo(job, number, {"slurm_logfile": log})
        for job, number, log in zip(jobs, ("1", "2"), slurms, strict=False)
    ]
    # The plugin seeks the log of a task of an array where there is none.
    infos.append(SubmittedJobInfo(jobs[2], "3_1", {"slurm_logfile": slurms[0].with_name("3_1.log")}))
    for info in infos:
        executor._report_job_submission_threadsafe(info)
    assert look(executor, infos) == []
    assert sorted((tmp_path / "logs").rglob("*")) == [slurms[1].parents[1], failed.parent, failed]


def test_short_jobs_are_looked_at_soon(executor, programs, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(slurm_executor.time, "monotonic", lambda: now[0])
    programs.write("scontrol", "echo MinJobAge = 300 sec")
    programs.write("squeue", "echo '1|RUNNING'")
    infos, waits = active(executor, "1"), []
    for _ in range(4):
        now[0] += executor.next_seconds_between_status_checks
        look(executor, infos)
        waits.append(executor.next_seconds_between_status_checks)
    # The plugin: 11, 21, 31, 41.
    assert waits == [1, 1, 1.5, 2.25]
    # It is never asked less often than by the plugin.
    now[0] += 3600
    look(executor, infos)
    assert executor.next_seconds_between_status_checks == 12.25


RECORD = "JobId=1 JobState={} ExitCode=1:0 NodeList=n1 TimeLimit=00:30:00 TRES=cpu=1,mem=1G"


@pytest.mark.parametrize(
    ("state", "told", "asked"),
    [
        ("OUT_OF_MEMORY", "out of memory (it had 1G on n1); it is tried again with more memory", (2000, 30)),
        ("TIMEOUT", "over its time limit of 00:30:00 on n1; it is tried again with more time", (1000, 60)),
        ("CANCELLED", "it was cancelled on n1; it is tried again", (1000, 30)),
        ("FAILED", "exit code 1 on n1; it is tried again", (1000, 30)),
    ],
)
def test_a_job_is_tried_again_with_more_of_what_it_lacked(executor, programs, state, told, asked):
    programs.write(
        "scontrol", f'[ "$1 $2" = "show job" ] && echo "{RECORD.format(state)}" || echo MinJobAge=300'
    )
    programs.write("squeue", f"echo '1|{state}'")
    infos = active(executor, "1")
    assert look(executor, infos) == []
    job = infos[0].job
    assert executor.failed == [(job, f"SLURM job 1: {told}\n")]
    job.attempt += 1
    executor.run_jobs([job])
    executor._job_submission_executor.shutdown()
    assert (job._resources["mem_mb"], job._resources["runtime"]) == asked


def test_the_last_attempt_promises_no_other(executor, programs):
    job = Job()
    job.attempt = 3
    executor.report_job_error(SubmittedJobInfo(job, "1", {}))
    assert executor.failed == [(job, "SLURM job 1: SLURM does not say why\n")]
    # But says what helps.
    job._resources = Resources(mem_mb=1500, runtime=60, longest=60)
    assert executor._what_follows(job, "mem_mb") == (
        "; run the same command again with --set-resources retrain:mem_mb=3000, or more"
    )
    assert "raise 'longest' in slurm/config.yaml" in executor._what_follows(job, "runtime")
    job._resources = Resources(mem_mb=1500, runtime=40, longest=60)
    assert executor._what_follows(job, "runtime").endswith("again with --set-resources retrain:runtime=60")
    # With the longest time of the profile more time is no help.
    job.attempt, job._resources = 2, Resources(runtime=60, longest=60)
    assert executor._what_follows(job, "runtime").endswith("the same time, the longest of the profile")


def test_the_account_is_the_profiles_or_slurms_default(executor, programs):
    job = Job()
    assert list(executor.get_account_arg(job)) == [""]
    job._resources = Resources(slurm_account="my lab")
    assert list(executor.get_account_arg(job)) == [" -A 'my lab'"]
    job._resources = Resources(slurm_account="one, two")
    assert list(executor.get_account_arg(job)) == [" -A one"]
    assert programs.calls("sacct") == 0


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"gpu": 2}, " --gpus=2"),
        ({"gpu": 2, "gpu_model": "a100"}, " --gpus=a100:2"),
        ({"gpu": 2, "by_gres": 1}, " --gres=gpu:2"),
        ({"gpu": 1, "gpu_model": "a100", "by_gres": 1}, " --gres=gpu:a100:1"),
        ({"by_gres": 1}, ""),
    ],
)
def test_gpus_are_asked_for_by_gres_where_the_site_says_so(asked, options):
    assert slurm_executor.gres(SimpleNamespace(resources=Resources(asked))) == options


def test_register_puts_it_in_the_place_of_the_plugins_own():
    slurm_executor.register()
    found = slurm_executor.ExecutorPluginRegistry().get_plugin("slurm")
    assert found.executor is Executor
    assert plugin.set_gres_string is slurm_executor.gres


def test_ctrl_c_once_awaits_and_twice_cancels(executor, programs):
    programs.write("scancel", f'echo "$@" >"{programs.folder}/cancelled"')
    active(executor, "1", "2")
    executor._interrupted(signal.SIGINT, None)
    limit = time.monotonic() + 20
    while executor.workflow.scheduler._user_kill is None and time.monotonic() < limit:
        time.sleep(0.02)
    assert executor.workflow.scheduler._user_kill == "graceful"
    assert executor.logger == [
        "Ctrl-C: nothing new starts, and SLURM's jobs (2) are awaited; press Ctrl-C again to cancel them"
    ]
    with pytest.raises(KeyboardInterrupt):
        executor._interrupted(signal.SIGINT, None)
    # What Snakemake does then; its own list of jobs may be empty at the time.
    executor.active_jobs, executor.shutdown = [], lambda: None
    executor.cancel()
    assert (programs.folder / "cancelled").read_text() == "1 2\n"


@pytest.mark.parametrize("waits", [True, False])
def test_a_job_that_is_not_submitted_is_left_when_the_run_ends(executor, programs, waits):
    """It waits for SLURM, or for its turn: in a large plan hundreds do."""

    def told():
        executor.workflow.scheduler._user_kill = "graceful"
        return "true"

    programs.write("sbatch", f"echo '{AWAY}' >&2; exit 1")
    job = Job()
    if waits:
        executor.format_job_exec = lambda job: told()
    else:
        told()
    executor.run_job(job)
    assert (executor.left, executor.failed) == ([job], [])
    assert programs.calls("sbatch") == int(waits)


def stand_in(executor, monkeypatch, command):
    """Let `command` give what a job runs, in place of Snakemake's own."""
    monkeypatch.setattr(RemoteExecutor, "format_job_exec", command)
    del executor.format_job_exec
    executor.get_python_executable = lambda: sys.executable


def commands(executor, monkeypatch, run_job, **resources):
    """What a job runs, and one that is submitted in another way, by stand-ins for Snakemake's own command."""
    settings = "--cores all {} --mode remote"
    stand_in(
        executor,
        monkeypatch,
        lambda self, job: f"{sys.executable} -m snakemake {settings.format(self.additional_general_args())}",
    )
    said, job = [], Job()
    job._resources = Resources(mem_mb=1000, runtime=30, **resources)
    monkeypatch.setattr(plugin.Executor, run_job, lambda self, given: said.append(self.format_job_exec(job)))
    getattr(executor, run_job)([job, job] if run_job == "run_array_jobs" else job)
    assert len(said) == 1
    return said[0]


@pytest.mark.parametrize(
    ("resources", "options"),
    [
        ({"gpu": 2, "nodes": 1}, "--cpus-per-task=1 --gpus=2 --nodes=1"),
        # The profile of a site that knows no `--gpus`.
        ({"gpu": 2, "gpus": 0}, "--cpus-per-task=1 --nodes=1"),
    ],
)
@pytest.mark.parametrize("way", ["run_job", "run_array_jobs"])
def test_a_job_starts_snakemake_once_as_a_step(executor, monkeypatch, resources, options, way):
    step, job = f"{HERE}/slurm_step.py {options}", f"{HERE}/in_job.py --cores all {IN_JOB} --mode remote"
    said = commands(executor, monkeypatch, way, **resources)
    assert said == f"{sys.executable} -I {step} {sys.executable} {job}"


def test_a_job_as_a_script_starts_as_the_plugin_has_it(executor, monkeypatch):
    usual = f"{sys.executable} -m snakemake --cores all --executor slurm-jobstep --jobs 1"
    executor.workflow.executor_settings.pass_command_as_script = True
    said = commands(executor, monkeypatch, "run_job")
    assert said == f"{usual} --slurm-jobstep-pass-command-as-script --mode remote"


@pytest.mark.parametrize(
    ("most", "random_bytes", "tasks"),
    [
        (2, 1, ["1", "2", "1", "2", ""]),
        # Which no packing makes shorter: the plugin would write a script.
        (40, 12_000, ["1", "2", "3", "1", "2"]),
        (40, 40_000, [""] * 5),
    ],
)
def test_a_task_of_an_array_runs_its_own_job(executor, programs, monkeypatch, most, random_bytes, tasks):
    """By what the plugin hands to `sbatch`, which here runs all tasks of its array."""
    programs.write("srun", f'echo "$SLURM_ARRAY_TASK_ID:$*" >>"{programs.folder}/steps"')
    programs.write(
        "sbatch",
        "for word; do\n"
        "    case $word in --wrap=*) script=${word#--wrap=} ;; --array=*) tasks=${word#*=} ;; esac\n"
        "done\n"
        '[ -z "$tasks" ] && sh -c "$script"\n'
        '[ -z "$tasks" ] || for task in $(seq ${tasks%-*} ${tasks#*-}); do\n'
        '    SLURM_ARRAY_TASK_ID=$task sh -c "$script" || exit\n'
        "done\n"
        "echo 7",
    )
    executor.max_array_size, long = (
        most,
        [random.Random(seed).randbytes(random_bytes).hex() for seed in range(5)],
    )
    executor.workflow.executor_settings.disable_memory_fudge = False
    stand_in(
        executor,
        monkeypatch,
        lambda self, job: (
            f"cd '{programs.folder}' && {sys.executable} -m snakemake '{job.jobid} of {long[job.jobid]}'"
        ),
    )
    executor.run_array_jobs([Job(seed) for seed in range(5)])
    assert executor.failed == []
    ran = (programs.folder / "steps").read_text().splitlines()
    start = f"-n1 --cpu-bind=q --cpus-per-task=1 --nodes=1 {sys.executable} {HERE}/in_job.py"
    assert ran == [f"{task}:{start} {seed} of {long[seed]}" for seed, task in enumerate(tasks)]


def test_jobs_as_scripts_are_in_no_array(executor):
    """Which the plugin would write with the commands of the others as a line of their own."""
    jobs = [Job(seed) for seed in range(3)]
    assert list(executor._arrays(jobs)) == [jobs]
    executor.workflow.executor_settings.pass_command_as_script = True
    assert list(executor._arrays(jobs)) == [[job] for job in jobs]


def test_a_task_without_a_command_runs_no_others():
    tasks = base64.b64encode(json.dumps({"3": zlib.compress(b"true").hex()}).encode()).decode()
    assert slurm_step.own_command(tasks, "3") == "true"
    assert slurm_step.own_command(tasks, "2") is None
    with pytest.raises(SystemExit, match="no command for its task 4"):
        slurm_step.own_command(tasks, "4")


def test_a_step_gets_its_options_and_not_the_settings_of_the_batch_script(tmp_path):
    (tmp_path / "srun").write_text('#!/bin/sh\necho "$@"\nenv\nexit 7\n')
    (tmp_path / "srun").chmod(0o755)
    given = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "5",
        "SLURM_CONF": "/there",
        "SLURM_TRES_PER_TASK": "cpu:1",
        "SBATCH_GRES": "gpu:1",
        "SRUN_DEBUG": "3",
        "HOME": "/home/me",
    }
    command = [sys.executable, "-I", f"{HERE}/slurm_step.py", "--nodes=1", "echo", "two words"]
    done = subprocess.run(command, env=given, text=True, capture_output=True)
    assert done.returncode == 7
    options, *left = done.stdout.splitlines()
    assert options == "-n1 --cpu-bind=q --nodes=1 echo two words"
    # A shell adds some of its own.
    assert {line for line in left if line.startswith(("S", "HOME")) and not line.startswith("SHLVL")} == {
        "SLURM_JOB_ID=5",
        "SLURM_CONF=/there",
        "HOME=/home/me",
    }


def test_a_node_without_srun_is_told(tmp_path):
    command = [sys.executable, "-I", f"{HERE}/slurm_step.py", "true"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, text=True, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: srun does not start (No such file or directory)")
    assert len(done.stderr.splitlines()) == 1
