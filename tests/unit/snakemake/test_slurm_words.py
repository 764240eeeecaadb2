"""What SLURM says of a job's end and of a refusal, in the words of SLURM 22.05."""

import pytest

from mda.snakemake import slurm_words

KILLED_FOR_MEMORY = (
    "slurmstepd-gpu1: error: StepId=1.0 exceeded memory limit (272929792 > 209715200), being killed"
)
CGROUP = (
    "slurmstepd: error: Detected 1 oom_kill event in StepId=2.0. Some of the step tasks have been OOM Killed."
)


def record(state, code="1:0", **more):
    return {"JobState": state, "ExitCode": code, "NodeList": "gpu1", "TRES": "cpu=1,mem=200M,node=1", **more}


@pytest.mark.parametrize(
    ("fields", "log", "words", "lacked"),
    [
        (record("OUT_OF_MEMORY", "0:125"), "", "out of memory (it had 200M on gpu1)", "mem_mb"),
        (record("FAILED", "137:0"), KILLED_FOR_MEMORY, "out of memory (it had 200M on gpu1)", "mem_mb"),
        (record("FAILED"), CGROUP, "out of memory (it had 200M on gpu1)", "mem_mb"),
        (
            record("TIMEOUT", "0:0", TimeLimit="00:10:00"),
            "",
            "over its time limit of 00:10:00 on gpu1",
            "runtime",
        ),
        (record("NODE_FAIL", "0:0"), "", "its node has failed on gpu1 (NODE_FAIL)", None),
        # A requeued job's log still tells of its earlier life.
        (record("CANCELLED", "0:15"), KILLED_FOR_MEMORY, "it was cancelled on gpu1", None),
        (record("CANCELLED by 0", "0:15"), "", "it was cancelled on gpu1", None),
        (record("FAILED", "3:0"), "", "exit code 3 on gpu1", None),
        (record("FAILED", "0:9"), "", "killed by SIGKILL on gpu1", None),
        (record("FAILED", "143:0", NodeList="(null)"), "", "killed by SIGTERM", None),
        (record("DEADLINE", "0:0"), "", "its state is DEADLINE on gpu1", None),
        ({}, "", "SLURM does not say why", None),
        ({}, CGROUP, "out of memory (it had its request)", "mem_mb"),
    ],
)
def test_why_a_job_ended(fields, log, words, lacked):
    assert slurm_words.of_record(fields, log) == slurm_words.Ending(words, lacked)


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_record_is_the_controllers_or_else_the_databases(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    log = tmp_path / "7.log"
    log.write_text("x" * 2 * slurm_words.LAST_BYTES + "\n" + KILLED_FOR_MEMORY)
    shown = "JobId=7 JobState=FAILED Reason=NonZeroExitCode ExitCode=1:0 NodeList=n3 TRES=cpu=1,mem=2G"
    program(tmp_path, "scontrol", f'[ "$*" = "show job --oneliner 7" ] && echo "{shown}"')
    assert slurm_words.ending("7", log).words == "out of memory (it had 2G on n3)"
    program(tmp_path, "scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    program(tmp_path, "sacct", "echo 'TIMEOUT|0:0|n4|00:30:00|cpu=1,mem=1G'")
    assert slurm_words.ending("7", None).words == "over its time limit of 00:30:00 on n4"
    program(tmp_path, "sacct", "exit 1")
    assert slurm_words.ending("7", tmp_path / "gone.log").words == "SLURM does not say why"


POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    ("said", "others", "for_now"),
    [
        ("Batch job submission failed: Unable to contact slurm controller (connect failure)", False, True),
        ("Batch job submission failed: Socket timed out on send/recv operation", False, True),
        ("Batch job submission failed: Required partition not available (inactive or drain)", False, True),
        (f"AssocMaxSubmitJobLimit; Batch job submission failed: {POLICY}", False, True),
        (f"QOSMaxSubmitJobPerUserLimit; Batch job submission failed: {POLICY}", False, True),
        # Without the name of the limit: with jobs of ours in the queue there may be room later.
        (f"Batch job submission failed: {POLICY}", True, True),
        (f"QOSMaxWallDurationPerJobLimit; Batch job submission failed: {POLICY}", True, False),
        (f"Batch job submission failed: {POLICY}", False, False),
        # Interrupted.
        ("", False, True),
        (
            "Batch job submission failed: Invalid account or account/partition combination specified",
            True,
            False,
        ),
        ("Batch job submission failed: Requested node configuration is not available", True, False),
        (
            "Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
            True,
            False,
        ),
    ],
)
def test_which_refusals_pass(said, others, for_now):
    assert slurm_words.is_for_now(said, others) is for_now


def test_a_refusal_is_what_sbatch_said():
    message = (
        "SLURM sbatch failed. The error message was 'sbatch: error: AssocMaxSubmitJobLimit\n"
        "sbatch: error: Batch job submission failed: it's full'.\n    sbatch call:\n        sbatch -p 'cpu'\n"
    )
    assert slurm_words.refusal(message) == "AssocMaxSubmitJobLimit; Batch job submission failed: it's full"
    assert slurm_words.refusal("Job submission failed with exception: no sbatch") == (
        "Job submission failed with exception: no sbatch"
    )
