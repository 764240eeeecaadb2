"""What a run shows of what Snakemake logs: bars on a terminal, lines elsewhere, and every error."""

import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake import resources
from snakemake_interface_logger_plugins.common import LogEvent

from mda.snakemake import messages, terminal
from mda.snakemake.expected_time import Expectation, Job


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


def plan():
    jobs = [Job(1, "corpus", "corpus", "corpus", 600, {"_cores": 1})]
    jobs += [Job(number, "retrain", "runs", "", 600, {"_cores": 1}) for number in (2, 3, 4, 5, 6)]
    return Expectation(
        [*jobs, Job(0, "all", "Snakefile", "all", 0, {}, False)], {"retrain": 60}, {"_cores": 2}
    )


def record(event=None, message=None, level=logging.INFO, **told):
    found = logging.makeLogRecord({"msg": message, "levelno": level, "levelname": "INFO"})
    found.__dict__.update(told)
    if event is not None:
        found.event = event
    return found


def started(number, rule="retrain", **wildcards):
    return record(LogEvent.JOB_INFO, jobid=number, rule_name=rule, wildcards=wildcards)


def ended(number):
    return record(LogEvent.JOB_FINISHED, job_id=number)


def failed(number, log, message=None):
    return record(LogEvent.JOB_ERROR, jobid=number, rule_name="retrain", log=[str(log)], rule_msg=message)


@pytest.fixture
def lines():
    """A view without a terminal, and what it wrote."""
    stream = io.StringIO()
    view = terminal.Lines(stream)
    view.begin(plan())
    return view, stream


def test_lines_are_plain_and_few(lines, monkeypatch):
    view, stream = lines
    now = [1000.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    for event in (started(1, "corpus"), ended(1), *(started(n, branch="base", seed=n) for n in (2, 3, 4, 5))):
        view.take(event)
    for number in (2, 3, 4, 5):
        now[0] += 2
        view.take(ended(number))
    told = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert " 6 jobs: corpus 1, runs 5; " in told[0]
    assert told[1].endswith(" left")
    assert "1 of 6 jobs: corpus 1/1, corpus done; " in told[1]
    # Two seconds apart: one of them is told.
    assert len(told) == 3
    assert "runs 3/5" in told[2]


def test_the_end_says_how_it_went(lines):
    view, stream = lines
    for number in range(1, 7):
        view.take(started(number))
        view.take(ended(number))
    view.close()
    view.close()
    assert stream.getvalue().splitlines()[-1].startswith("6 jobs done in ")
    assert stream.getvalue().count("jobs done in") == 1


def test_a_failed_job_is_one_sentence_with_the_place_of_its_log(lines, tmp_path):
    view, stream = lines
    log = tmp_path / "a [b] log.txt"
    log.write_text("10:00:00 read\nerror in step 'training.retrain': the disk is full; free it\n")
    view.take(started(2, branch="replace/random/top-10", seed=1))
    view.take(failed(2, log))
    told = stream.getvalue().splitlines()[-1]
    assert told == (
        "error: retrain replace/random/top-10 seed 1 failed: error in step 'training.retrain': the disk is "
        f"full; free it; log: {log}"
    )
    # Snakemake says it again, with the command.
    view.take(
        record(LogEvent.ERROR, "CalledProcessError in ...", logging.ERROR, exception="CalledProcessError")
    )
    assert stream.getvalue().splitlines()[-1] == told
    view.close()
    assert "0 of 6 jobs done in " in stream.getvalue()
    assert "; 1 failed" in stream.getvalue()


SLURM_SAYS = "SLURM job 7: {}; it is tried again\nFor further error details see the cluster log"


def test_a_failed_job_of_slurm_has_slurms_reason_and_the_last_lines(tmp_path):
    log, slurms = tmp_path / "step.log", tmp_path / "7.log"
    slurms.write_text("bash: python: command not found\n")
    told = SLURM_SAYS.format("exit code 127 on n1")
    logs = [str(log), str(slurms)]
    # A step that has not begun leaves no log of its own.
    assert messages.failure("retrain", logs, told) == (
        f"error: retrain failed: SLURM job 7: exit code 127 on n1; it is tried again; log: {slurms}\n"
        "    bash: python: command not found"
    )
    # SLURM's words are enough where it knows more than an exit code.
    cancelled = SLURM_SAYS.format("it was cancelled on n1")
    assert messages.failure("retrain", logs, cancelled) == (
        f"error: retrain failed: SLURM job 7: it was cancelled on n1; it is tried again; log: {slurms}"
    )
    log.write_text("10:00:00 step 3\n")
    assert messages.failure("retrain", logs, cancelled).endswith(f"; log: {log}\n    10:00:00 step 3")
    log.write_text("error in step 'training.retrain': the disk is full; free it\n")
    assert messages.failure("retrain", logs, told) == (
        "error: retrain failed: error in step 'training.retrain': the disk is full; free it (SLURM job 7: "
        f"exit code 127 on n1; it is tried again); log: {log}"
    )


def test_an_interrupted_job_is_no_failure_with_a_traceback(lines, tmp_path):
    view, stream = lines
    log = tmp_path / "log.txt"
    log.write_text("Traceback (most recent call last):\n  File ...\nKeyboardInterrupt\n")
    view.take(started(2))
    # After Ctrl-C Snakemake says it first, with the command.
    command = "CalledProcessError in file rules.smk:\nCommand 'python -m mda.steps.training.retrain'"
    view.take(record(LogEvent.ERROR, command, logging.ERROR, exception="RuleException"))
    view.take(failed(2, log))
    assert stream.getvalue().splitlines()[1:] == [f"retrain was interrupted (Ctrl-C); log: {log}"]


def test_what_an_executor_refuses_is_a_sentence_without_the_places_in_our_code():
    places = '  File "/x/slurm_plan.py", line 4, in check\n  File "y"'
    told = f"WorkflowError:\nthe account nope is not yours\n{places}"
    assert messages.shown(told) == "error: the account nope is not yours"


def test_a_job_that_is_tried_again_has_not_failed(lines, tmp_path):
    view, stream = lines
    view.take(started(2))
    view.take(failed(2, tmp_path / "gone.txt", "the node has died"))
    assert f"error: retrain failed: the node has died; log: {tmp_path / 'gone.txt'}" in stream.getvalue()
    view.take(started(2))
    view.take(ended(2))
    view.close()
    assert "1 of 6 jobs done" in stream.getvalue()
    assert "; 0 failed" in stream.getvalue()


def test_without_a_sentence_the_end_of_the_log_is_shown(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(100)) + "Killed\x1b[2J\n")
    told = messages.failure("retrain base", [str(log)], None).splitlines()
    assert told[0] == f"error: retrain base failed; log: {log}"
    assert len(told) == 1 + messages.LAST_LINES
    assert told[-1] == "    Killed\\x1b[2J"


@pytest.mark.parametrize(
    ("message", "level", "shown"),
    [
        ("Nothing to be done (all requested files are present and up to date).", logging.INFO, True),
        ("configuration: fit is too fine.", logging.WARNING, True),
        ("something that this version does not know", logging.INFO, True),
        ("Select jobs to execute...", logging.INFO, False),
        ("Using shell: /usr/bin/bash", logging.INFO, False),
        (None, logging.INFO, False),
    ],
)
def test_all_but_the_routine_is_shown(lines, message, level, shown):
    view, stream = lines
    before = stream.getvalue()
    view.take(record(message=message, level=level))
    assert stream.getvalue()[len(before) :] == (f"{message}\n" if shown else "")


def test_what_the_rules_refuse_is_one_sentence():
    place = 'file "/a/common.smk", line 8'
    raised = f"WorkflowError in {place}:\nm.jsonl: has no text; mend it\n  F{place[1:]}, in <module>"
    assert messages.shown(raised) == "error: m.jsonl: has no text; mend it"


def test_resources_never_reach_a_user(lines):
    view, stream = lines
    before = stream.getvalue()
    resources = 'Provided resources: mem_mb=Resource("mem_mb", 1000)'
    view.take(record(LogEvent.RESOURCES_INFO, resources))
    assert stream.getvalue() == before


def test_bars_have_a_line_a_stage_with_the_jobs_at_work():
    screen = Screen()
    view = terminal.Bars(screen)
    view.console = view.progress.console
    view.begin(plan())
    for number in (2, 3, 4, 5):
        view.take(started(number, branch="[b]ase", seed=number))
    view.take(started(1, "corpus"))
    view.take(ended(1))
    view.take(ended(2))
    view.take(started(6))
    page = Console(width=150, file=io.StringIO(), record=True)
    page.print(view.progress.get_renderable())
    corpus, runs, whole = page.export_text().splitlines()
    assert corpus.split()[0] == "corpus"
    assert "1/1" in corpus
    assert "1/5 retrain [b]ase seed 3, retrain [b]ase seed 4, retrain [b]ase seed 5 and 1 more" in runs
    assert "2/6" in whole
    assert "left" in whole
    view.take(record(message="configuration: something.", level=logging.WARNING))
    view.close()
    assert "configuration: something." in screen.getvalue()
    assert "2 of 6 jobs done" in screen.getvalue()


def asked(**changes):
    same = dict.fromkeys(("dryrun", "verbose", "debug_dag", "stdout", "nocolor", "printshellcmds"), False)
    return SimpleNamespace(**{**same, "quiet": set(), "show_failed_logs": True, **changes})


@pytest.mark.parametrize(
    ("changes", "screen", "kind"),
    [
        ({}, True, terminal.Bars),
        ({}, False, terminal.Lines),
        ({"verbose": True}, True, terminal.Snakemakes),
        ({"dryrun": True}, True, terminal.Snakemakes),
        ({"quiet": {"all"}}, False, terminal.Snakemakes),
    ],
)
def test_who_asks_for_snakemakes_words_gets_them(monkeypatch, changes, screen, kind):
    monkeypatch.setattr(terminal.sys, "stderr", Screen() if screen else io.StringIO())
    monkeypatch.setenv("TERM", "xterm")
    assert type(terminal.Handler(asked(**changes), None).view) is kind


def test_snakemakes_own_words_have_plain_resources():
    class Resource:
        value = 1000

        def __repr__(self):
            return 'Resource("mem_mb", 1000)'

    stream = io.StringIO()
    view = terminal.Snakemakes(asked(), stream)
    facts = dict.fromkeys(("rule_msg", "reason", "benchmark"), None)
    facts |= {"local": False, "is_checkpoint": False, "priority": 0, "threads": 1, "input": [], "output": []}
    facts |= {"log": [], "indent": False, "resources": {"mem_mb": Resource()}}
    view.take(record(LogEvent.JOB_INFO, jobid=1, rule_name="corpus", wildcards={}, **facts))
    assert "resources: mem_mb=1000" in stream.getvalue()


def test_a_fault_of_the_view_does_not_end_the_run(capsys):
    handler = terminal.Handler(asked(), None)
    handler.handle(record(LogEvent.JOB_INFO))
    assert "KeyError" in capsys.readouterr().err


def test_a_plan_has_the_times_and_needs_of_its_jobs(tmp_path):
    """Of Snakemake's tables of resources, that of the run holds objects and that of a job numbers."""

    def rule(name, place, command):
        return SimpleNamespace(name=name, snakefile=f"/a/rules/{place}.smk", shellcmd=command)

    def job(rule, wildcards, **resources):
        return SimpleNamespace(rule=rule, wildcards_dict=wildcards, resources=resources)

    goal, train = rule("all", "Snakefile", None), rule("base_run", "base_run", "python")
    one, two = job(goal, {}), job(train, {"seed": "3"}, runtime=10, _cores=2, mem_mb=1000, tmpdir="/tmp")
    given = {"_cores": resources.Resource("_cores", 4), "_nodes": resources.Resource("_nodes", None)}
    workflow = SimpleNamespace(
        rules=[train, goal],
        global_resources=given,
        dag=SimpleNamespace(needrun_jobs=lambda: [one, two], jobid=[one, two].index),
    )
    found = terminal.plan(workflow, tmp_path / "results" / "benchmarks")
    assert found.width == {"_cores": 4}
    assert found.jobs == [
        Job(1, "base_run", "base run", "base_run seed 3", 600, {"_cores": 2}),
        Job(0, "all", "Snakefile", "all", 0, {"_cores": 0}, counted=False),
    ]
