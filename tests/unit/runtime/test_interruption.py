"""Handing a saved job back to SLURM: only one that is told to end, and has made a step."""

import signal

import pytest

from mda.runtime import interruption

RUNNING = "JobId=7 JobState=RUNNING Requeue=1 Restarts=0"


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A stand-in that notes its arguments and shows the job as the test says."""
    program, said, shown = tmp_path / "scontrol", tmp_path / "said", tmp_path / "shown"
    program.write_text(f'#!/bin/sh\necho "$@" >>{said}\ncat {shown}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(interruption, "GRACE_SECONDS", 0)

    def hand_back(state, progressed=True):
        shown.write_text(state)
        interruption.hand_back(progressed)
        return "requeue 7" in said.read_text() if said.exists() else False

    return hand_back


def test_a_job_that_is_told_to_end_is_queued_again(scontrol):
    assert scontrol(RUNNING)


@pytest.mark.parametrize("state", ["CANCELLED", "TIMEOUT", "COMPLETING", "PREEMPTED"])
def test_a_job_that_slurm_is_ending_is_left_to_it(scontrol, state):
    assert not scontrol(RUNNING.replace("RUNNING", state))


def test_a_job_that_may_not_be_queued_again_is_not(scontrol):
    assert not scontrol(RUNNING.replace("Requeue=1", "Requeue=0"))


def test_a_job_that_made_no_step_does_not_go_round(scontrol):
    assert not scontrol(RUNNING, progressed=False)


def test_of_several_processes_the_first_speaks(scontrol, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert not scontrol(RUNNING)


def test_outside_of_slurm_nothing_is_asked(scontrol, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    assert not scontrol(RUNNING)


def test_ctrl_c_queues_no_job_again(scontrol):
    """In whose allocation a user may have a shell."""
    with interruption.watched():
        signal.raise_signal(signal.SIGINT)
        assert not scontrol(RUNNING)
    with interruption.watched():
        signal.raise_signal(signal.SIGTERM)
        assert scontrol(RUNNING)


def test_without_scontrol_slurm_ends_the_job(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(interruption, "GRACE_SECONDS", 0)
    interruption.hand_back(True)


def test_a_later_ctrl_c_ends_what_the_first_has_told_to_save(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(interruption.time, "monotonic", lambda: now[0])
    with pytest.raises(KeyboardInterrupt), interruption.watched():
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked()
        # A launcher tells of the same.
        now[0] += 1
        signal.raise_signal(signal.SIGINT)
        now[0] += 5
        signal.raise_signal(signal.SIGTERM)
        now[0] += 1
        signal.raise_signal(signal.SIGINT)
    assert now == [107.0]
    assert not interruption.asked()
