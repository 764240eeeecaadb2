"""Faults of a cluster, each on a training that is at work: the numbers are those of an unbroken run.

The training is stopped at a step while the fault strikes, so that none depends on how fast the machine is.
"""

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from project import BASE_RUN
from slurm.cluster import ACCOUNT, wait_until
from slurm.conftest import ClusterProject, Held
from terminal import CTRL_C

AT_WORK = "step 20 of 400"


@pytest.fixture(scope="session")
def prepared(cluster, warm_python, tmp_path_factory) -> ClusterProject:
    """A project in which the base run is next, with a copy in which it has been made unbroken."""
    project = ClusterProject.make(tmp_path_factory.mktemp("prepared") / "project", warm_python).on(cluster)
    project.train_longer()
    project.locally("--until", "order")
    project.copy(project.folder.with_name("unbroken")).locally(BASE_RUN)
    return project


@pytest.fixture
def slow(prepared, tmp_path) -> ClusterProject:
    return prepared.copy(tmp_path / "project")


@pytest.fixture
def unbroken(prepared) -> pd.DataFrame:
    return pd.read_parquet(prepared.folder.with_name("unbroken") / BASE_RUN)


def finishes(project: ClusterProject, process: subprocess.Popen) -> None:
    assert process.wait(timeout=300) == 0, project.output[-6000:]


def check(project: ClusterProject, unbroken: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(pd.read_parquet(project.folder / BASE_RUN), unbroken, check_exact=True)
    assert project.jobs("base_run", "running,pending,completing") == []
    assert list(project.results.glob("resume/*")) == []


def resumed_at(project: ClusterProject) -> int:
    log = (project.results / "logs" / "base_run.log").read_text()
    return int(log.split("resumed at step ")[1].split()[0])


def test_a_job_cancelled_by_scancel(slow, unbroken):
    run = slow.start(BASE_RUN)
    held = slow.hold(run, "base_run", AT_WORK)
    slow.cluster.run("scancel", held.job)
    finishes(slow, run)
    check(slow, unbroken)
    assert resumed_at(slow) >= 20
    # The failed job showed the end of its log.
    assert f"told to end at step {resumed_at(slow)}" in slow.output
    assert [row["State"].split()[0] for row in slow.accounted()] == ["CANCELLED", "COMPLETED"]


@pytest.mark.rare
def test_a_node_dies(slow, unbroken):
    """SLURM queues the job again by itself, and Snakemake waits for it."""
    run = slow.start(BASE_RUN, "--set-resources", "base_run:save_seconds=0")
    slow.hold(run, "base_run", AT_WORK)
    slow.cluster.kill_node("gpu1")
    wait_until(lambda: slow.jobs("base_run", "pending"), 60, "the job was not queued again")
    slow.cluster.start_node("gpu1")
    finishes(slow, run)
    check(slow, unbroken)
    # Saved at every step, it lost one at the most.
    assert resumed_at(slow) >= 19
    assert len({row["JobID"] for row in slow.accounted()}) == 1


def preempt(project: ClusterProject) -> None:
    """An urgent job takes the whole GPU node for some seconds."""
    whole = ("--partition=urgent", "--account=lab", "--gpus=2", "--cpus-per-task=2", "--mem=100")
    project.cluster.run("sbatch", *whole, "--output=/dev/null", "--wrap", "sleep 5")


def test_a_training_is_preempted(slow, unbroken):
    run = slow.start(BASE_RUN)
    held = slow.hold(run, "base_run", AT_WORK)
    preempt(slow)
    finishes(slow, run)
    check(slow, unbroken)
    assert resumed_at(slow) >= 20
    # SLURM's own requeue: one job, no retry of Snakemake's.
    rows = slow.accounted()
    assert len(rows) > 1
    assert {row["JobID"] for row in rows} == {held.job}
    assert "Trying to restart" not in slow.output


@pytest.mark.rare
def test_trainings_side_by_side_are_preempted(prepared, tmp_path):
    made = ClusterProject(prepared.folder.with_name("unbroken"), prepared.python).on(prepared.cluster)
    project = made.copy(tmp_path / "project")
    schedules = [f"results/schedules/orders/seed-{seed}.parquet" for seed in (0, 1)]
    project.locally(*schedules)
    goals = [f"results/runs/base/seed-{seed}/steps.parquet" for seed in (0, 1)]
    run = project.start(*goals)
    for seed in (0, 1):
        project.hold(run, f"retrain/base/seed-{seed}", AT_WORK)
    preempt(project)
    finishes(project, run)
    logs = (project.results / "logs" / "joined" / "retrain.log").read_text().split("==> ")[1:]
    assert sorted(log.split()[0] for log in logs) == [f"retrain/base/seed-{seed}.log" for seed in (0, 1)]
    for log in logs:
        assert int(log.split("resumed at step ")[1].split()[0]) >= 20
    assert "Trying to restart" not in project.output
    assert not any("_" in row["JobID"] for row in project.accounted())
    again = pd.read_parquet(project.folder / goals[0])
    project.locally("--force", goals[0])
    pd.testing.assert_frame_equal(again, pd.read_parquet(project.folder / goals[0]), check_exact=True)


def test_a_job_over_its_memory_is_given_more(slow, unbroken):
    process = slow.start(BASE_RUN, "--set-resources", "base_run:mem_mb=250*attempt**3")
    finishes(slow, process)
    check(slow, unbroken)
    rows = slow.accounted()
    assert len(rows) > 1
    assert rows[-1]["State"] == "COMPLETED"
    assert "mem=250M" in rows[0]["AllocTRES"]
    assert "out of memory (it had 250M on gpu1); it is tried again with more memory" in slow.output
    # More memory alone.
    assert len({row["Timelimit"] for row in rows}) == 1


def told_to_end(project: ClusterProject, process: int) -> bool:
    """Whether a stopped process has a SIGTERM waiting for it, or had one before it was stopped."""
    if "told to end" in (project.results / "logs" / "base_run.log").read_text():
        return True
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        # Told so early that it has saved and ended.
        return True
    return bool(int(status.split("ShdPnd:")[1].split()[0], 16) & 1 << signal.SIGTERM - 1)


def limit(project: ClusterProject, job: str, minutes: int) -> None:
    """Change a job's time limit."""
    project.cluster.run("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}")


def test_a_training_near_its_time_saves_and_is_queued_again(slow, unbroken):
    """By itself, as the same job: it costs no retry, so that a run may take any number of limits."""
    slow.edit("slurm/config.yaml", "notice: 180", "notice: 60")
    run = slow.start(BASE_RUN)
    held = slow.hold(run, "base_run", AT_WORK)
    # Only now, and only for this part: its notice comes within two minutes, however slow the machine is.
    limit(slow, held.job, minutes=2)
    wait_until(lambda: told_to_end(slow, held.process), 150, "the training is not told to end")
    held.go_on()
    wait_until(lambda: slow.jobs("base_run", "pending"), 60, "the job was not queued again")
    limit(slow, held.job, minutes=60)
    finishes(slow, run)
    check(slow, unbroken)
    assert resumed_at(slow) >= 20
    rows = slow.accounted()
    assert len({row["JobID"] for row in rows}) == 1
    assert [row["State"] for row in rows][-1] == "COMPLETED"
    assert len(rows) > 1
    assert "Trying to restart" not in slow.output


@pytest.mark.rare
def test_a_job_over_its_time_is_given_more(slow, unbroken):
    """Without a notice; what it saves when SLURM ends it is not lost."""
    slow.edit("slurm/config.yaml", """slurm_extra: ?f"'--signal=TERM@{notice}'\"""", "runtime: attempt")
    run = slow.start(BASE_RUN)
    slow.hold(run, "base_run", AT_WORK)
    finishes(slow, run)
    check(slow, unbroken)
    assert resumed_at(slow) >= 20
    states = [row["State"] for row in slow.accounted()]
    # On a slow machine the second job may be out of time too.
    assert set(states[:-1]) == {"TIMEOUT"}
    assert states[-1] == "COMPLETED"


@pytest.mark.rare
def test_the_controller_and_the_database_are_away(slow, unbroken):
    """Longer than the plugin asks, which then forgets its jobs; a run that waits can be told to end."""
    run = slow.start(BASE_RUN)
    held = slow.hold(run, "base_run", AT_WORK)
    slow.cluster.stop_controller()
    slow.cluster.stop_database()
    wait_until(lambda: "SLURM does not answer" in slow.output, 200, "nothing is said of it")
    slow.cluster.start_database()
    slow.cluster.start_controller()
    wait_until(lambda: "SLURM answers again" in slow.output, 200, "the run does not ask again")
    held.go_on()
    finishes(slow, run)
    check(slow, unbroken)
    assert slow.counted() == Counter({"base_run": 1})


DOCUMENTS = "results/corpus/documents.parquet"


@pytest.fixture
def fresh(cluster, warm_python, tmp_path) -> ClusterProject:
    """A project whose first job is next."""
    return ClusterProject.make(tmp_path / "project", warm_python).on(cluster)


SHARD = "results/scores/shards/0.parquet"


@pytest.mark.rare
def test_a_cancelled_scoring_job_goes_on(fresh, tmp_path):
    """From its last save, by the same command: its scores are those of an unbroken one, to the bit."""
    fresh.configure("attribution.samples_per_shard", 128)
    # As many batches as rows.
    fresh.configure("attribution.fit.batch_size", 1)
    fresh.locally("results/factors/lambda.safetensors", "results/heads/targets.json")
    unbroken = fresh.copy(tmp_path / "unbroken")
    command = (SHARD, "--retries", "0", "--set-resources", "score_shard:save_seconds=0")
    run = fresh.start(*command)
    held = fresh.hold(run, "score_shard/0", step="scores", saved="score_shard/0/*/20-21.npz")
    fresh.cluster.run("scancel", held.job)
    assert run.wait(timeout=300) != 0
    finishes(fresh, fresh.start(*command))
    log = (fresh.results / "logs" / "joined" / "score_shard.log").read_text()
    done = int(log.split(" of 128 rows were done before; going on from there")[0].split()[-1])
    assert 21 <= done < 128
    assert [row["State"].split()[0] for row in fresh.accounted()] == ["CANCELLED", "COMPLETED"]
    unbroken.locally(SHARD)
    mine, other = (pd.read_parquet(project.folder / SHARD) for project in (fresh, unbroken))
    assert len(mine) == 2 * 128
    pd.testing.assert_frame_equal(mine, other, check_exact=True)
    assert list(fresh.results.glob("resume/*")) == []


@pytest.mark.rare
def test_a_refused_submission_waits(fresh):
    """No attempt is lost: there are no retries."""
    fresh.cluster.run("scontrol", "update", "partition=cpu", "state=INACTIVE")
    try:
        run = fresh.start(DOCUMENTS, "--retries", "0")
        wait_until(lambda: "SLURM takes no more jobs for now" in fresh.output, 120, "nothing is said of it")
        assert run.poll() is None
    finally:
        fresh.cluster.run("scontrol", "update", "partition=cpu", "state=UP")
    finishes(fresh, run)
    assert fresh.counted() == Counter({"corpus": 1})


def test_what_a_site_has_not_is_told_before_anything_is_submitted(slow):
    partitions = slow.folder / "slurm" / "partitions.yaml"
    listed = partitions.read_text()
    partitions.write_text("partitions: {}\n")
    told = slow.start(BASE_RUN)
    assert told.wait(timeout=120) != 0
    assert "the partition cpu, to which its jobs would go, has none" in slow.output
    assert "`generate-slurm-partition-config -o slurm/partitions.yaml`" in slow.output
    partitions.write_text(listed)
    slow.edit("slurm/config.yaml", f"account: {ACCOUNT}", "account: nobodys")
    told = slow.start(BASE_RUN)
    assert told.wait(timeout=120) != 0
    assert "the account nobodys is not one of " in slow.output
    assert slow.accounted() == []


@pytest.mark.rare
def test_the_command_for_partitions_gres_and_the_default_account(slow, unbroken):
    slow.edit("slurm/config.yaml", f"account: {ACCOUNT}", "account: null")
    slow.edit("slurm/config.yaml", "gres: false", "gres: true")
    (slow.folder / "slurm" / "partitions.yaml").write_text("partitions: {}\n")
    command = ["generate-slurm-partition-config", "-o", "slurm/partitions.yaml"]
    subprocess.run(command, cwd=slow.folder, env=slow.environment(), check=True)
    finishes(slow, slow.start(BASE_RUN))
    check(slow, unbroken)
    [row] = slow.accounted()
    assert "gres/gpu=1" in row["AllocTRES"]
    line = slow.cluster.run("sacct", "-X", "-n", "-P", "-j", row["JobID"], "-o", "SubmitLine")
    options = line.partition("--wrap")[0]
    assert " --gres=gpu:1 " in options
    assert "--gpus" not in options
    assert " -A " not in options


def test_ctrl_c_once_awaits_what_runs(fresh):
    run = fresh.in_terminal(DOCUMENTS)
    held = fresh.hold(run.process, "corpus")
    run.press(CTRL_C)
    wait_until(lambda: "Ctrl-C: nothing new starts" in fresh.output, 60, "nothing is said of it")
    assert run.process.poll() is None
    held.go_on()
    assert run.process.wait(timeout=120) != 0
    assert (fresh.folder / DOCUMENTS).exists()
    assert [row["State"] for row in fresh.accounted()] == ["COMPLETED"]
    assert fresh.planned(DOCUMENTS) == Counter()


@pytest.mark.rare
def test_ctrl_c_twice_cancels_what_runs(fresh):
    run = fresh.in_terminal(DOCUMENTS)
    fresh.hold(run.process, "corpus")
    run.press(CTRL_C)
    wait_until(lambda: "Ctrl-C: nothing new starts" in fresh.output, 60, "nothing is said of it")
    run.press(CTRL_C)
    assert run.process.wait(timeout=120) != 0
    wait_until(
        lambda: any(job["State"].startswith("CANCELLED") for job in fresh.accounted()), 60, "the job goes on"
    )


def kill_at_work(project: ClusterProject) -> Held:
    """Kill the workflow while its training is held."""
    run = project.start(BASE_RUN)
    held = project.hold(run, "base_run", AT_WORK)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return held


def test_the_workflow_is_killed_and_started_again(slow, unbroken):
    """The training of the first run saves and ends; the second goes on from there."""
    kill_at_work(slow)
    blocked = slow.snakemake(BASE_RUN, check=False)
    assert "--unlock" in blocked.stdout
    slow.snakemake("--unlock")
    process = slow.start(BASE_RUN)
    finishes(slow, process)
    check(slow, unbroken)
    assert "ending SLURM jobs of an earlier run" in slow.output
    assert resumed_at(slow) >= 20
    first_job, second_job = slow.accounted()
    assert first_job["End"] <= second_job["Start"]


NEXT = "results/heads/targets.json"


@pytest.fixture
def orphaned(slow) -> ClusterProject:
    """The workflow is killed, and its training ends without it."""
    kill_at_work(slow).go_on()
    wait_until(lambda: not slow.jobs("base_run"), 180, "the job does not end")
    slow.snakemake("--unlock")
    return slow


def test_what_ended_while_the_workflow_was_dead_is_not_made_again(orphaned, unbroken):
    finishes(orphaned, orphaned.start(NEXT))
    check(orphaned, unbroken)
    assert orphaned.counted() == Counter({"base_run": 1, "head_scores": 1})
    # Its parameters are on record: a change of them is noticed.
    assert orphaned.planned(NEXT) == Counter()
    orphaned.configure("run.optimizer.clip", 0.5)
    assert orphaned.planned(NEXT)["base_run"] == 1


def test_what_ended_while_the_workflow_was_dead_is_not_taken_for_something_else(orphaned):
    assert orphaned.planned(NEXT)["base_run"] == 0
    orphaned.configure("run.optimizer.clip", 0.5)
    assert orphaned.planned(NEXT)["base_run"] == 1


def test_a_job_that_cannot_save_is_awaited_and_its_result_used(fresh):
    """Not started again beside the first, and not made again after it."""
    project, goal = fresh, fresh.folder / DOCUMENTS
    first = project.start(DOCUMENTS)
    held = project.hold(first, "corpus")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    project.snakemake("--unlock")
    second = project.start(DOCUMENTS)
    awaited = "waiting for SLURM jobs of an earlier run"
    wait_until(lambda: awaited in project.output, 60, "the second run does not wait")
    assert not goal.exists()
    held.go_on()
    wait_until(goal.exists, 120, "the job of the first run does not end")
    made = goal.stat().st_ino
    finishes(project, second)
    assert "taken from a job of an earlier run" in (project.results / "logs" / "corpus.log").read_text()
    assert goal.stat().st_ino == made
    one, two = project.accounted()
    assert one["End"] <= two["Start"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system of a few megabytes")
def test_the_disk_is_full(slow, unbroken):
    place = slow.results / "base"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(place)], check=True)
    try:
        process = slow.start(BASE_RUN, "--retries", "0")
        assert process.wait(timeout=300) != 0
        assert "No space left on device" in slow.output
        assert (
            "free the disk or mend the folder's permissions, then run the same command again" in slow.output
        )
        assert not [path for path in Path(place).rglob("*") if path.is_file()]
        subprocess.run(["mount", "-o", "remount,size=200m", str(place)], check=True)
        finishes(slow, slow.start(BASE_RUN))
        check(slow, unbroken)
    finally:
        subprocess.run(["umount", str(place)], check=True)
