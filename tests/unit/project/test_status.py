"""What `make status` reads of Snakemake's log."""

import status

LOG = """\
Building DAG of jobs...
Job stats:
job        count
-------  -------
corpus         1
retrain        3
all            1
total          5

Select jobs to execute...

[Wed Nov 25 03:15:33 2026]
localrule corpus:
    output: results/corpus/documents.parquet
    log: results/logs/corpus.log
    jobid: 7
Finished jobid: 7 (Rule: corpus)
rule retrain:
    jobid: 1
    wildcards: branch=base, seed=0
rule retrain:
    jobid: 2
Error in rule retrain:
    message: None
    jobid: 2
    output: results/runs/base/seed-0/steps.parquet
"""


def test_what_is_done_goes_on_and_is_left():
    run = status.read(LOG)
    assert run.planned == {"corpus": 1, "retrain": 3, "all": 1}
    assert run.done == {"corpus": 1}
    assert run.failed == {"retrain": 1}
    assert run.going == {"1": "retrain"}
    assert not run.ended


def test_a_failed_job_that_starts_again_goes_on():
    run = status.read(LOG + "rule retrain:\n    jobid: 2\n")
    assert run.going == {"1": "retrain", "2": "retrain"}


def test_the_end_is_seen():
    assert status.read(LOG + "Complete log(s): x.log\n").ended


def test_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert status.main() == 0
    assert "nothing has run" in capsys.readouterr().out


def test_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status.LOGS.mkdir(parents=True)
    (status.LOGS / "a.snakemake.log").write_text(LOG)
    assert status.main() == 0
    lines = capsys.readouterr().out.splitlines()
    [retrain] = [line.split() for line in lines if line.startswith("retrain")]
    assert retrain == ["retrain", "0", "1", "1", "2"]
    assert "1 of 5 jobs are done" in lines
