"""Results without Snakemake's records, or with other dates: what they say of what made them decides."""

import os
import re
import shutil
import time
from collections import Counter

import pandas as pd
import pytest
from workflow.test_reruns import ALWAYS, RESCORED

pytestmark = pytest.mark.slow


def give_dates(project):
    """Every result a date of its own, in no order, some in the future."""
    now = time.time()
    for number, path in enumerate(sorted(project.results.rglob("*"))):
        date = now + 3600 - 37 * (number * 7919 % 1000)
        os.utime(path, (date, date))


@pytest.fixture
def project(finished, tmp_path):
    return finished.copy(tmp_path / "project")


@pytest.fixture
def copied(project):
    """As by `cp -r results`: no records, and any dates."""
    shutil.rmtree(project.folder / ".snakemake")
    give_dates(project)
    return project


def test_nothing_runs_and_the_records_are_there_again(copied):
    assert copied.planned() == Counter()
    # A dry run changes nothing.
    assert not list((copied.folder / ".snakemake" / "metadata").iterdir())
    assert "Nothing to be done" in copied.snakemake().stdout
    newest = max(path.stat().st_mtime for path in copied.results.rglob("*.parquet"))
    assert newest <= time.time()
    # By the records alone, without another look at what the results say.
    for record in copied.results.rglob("*.made_by.json"):
        record.unlink()
    assert copied.planned() == Counter()
    copied.configure("attribution.damping", 0.5)
    assert copied.planned() == Counter({**RESCORED, **ALWAYS})


def test_other_settings_are_noticed_without_records(copied):
    copied.configure("attribution.damping", 0.5)
    assert copied.planned() == Counter({**RESCORED, **ALWAYS})
    said = copied.snakemake("--dry-run").stdout
    assert "results that the present settings, code and inputs would not make" in said
    assert "results/config.yaml (differs in merged)" in said


def test_other_code_and_other_tables_are_noticed_without_records(copied):
    copied.edit("workflow/mda/evidence/effect_table.py", "def effects(", "OTHER = 1\n\n\ndef effects(")
    (copied.results / "scores" / "shards" / "0.parquet").unlink()
    scores = pd.read_parquet(copied.results / "scores" / "scores.parquet")
    scores.to_parquet(copied.results / "scores" / "scores.parquet")
    planned = copied.planned()
    assert planned["effects"] == 1
    assert planned["scores"] == 1
    assert planned["base_run"] == planned["control_scores"] == 0


def test_what_is_half_copied_is_made_again(copied):
    table = copied.results / "tables" / "effects.csv"
    table.write_text(table.read_text()[:-20])
    planned = copied.planned()
    assert planned["effects"] == planned["findings"] == 1
    assert planned["curves"] == planned["retrain"] == 0
    (copied.results / "base" / "checkpoints" / "step-000008" / "config.json").unlink()
    assert copied.planned()["base_run"] == 1


def test_with_records_dates_alone_run_nothing(project):
    give_dates(project)
    assert project.planned() == Counter()


def test_a_project_that_was_moved_runs_nothing(project):
    (project.folder.parent / "deeper" / "still").mkdir(parents=True)
    project.folder = project.folder.rename(project.folder.parent / "deeper" / "still" / "project")
    assert project.planned() == Counter()


SHARD = "results/scores/shards/0.parquet"
MEANWHILE = "import os, pathlib\npath = pathlib.Path('results/heads/targets.json')\n"


def test_an_input_that_gets_another_date_meanwhile_loses_nothing(project):
    """The job does it itself, by the user's probe."""
    probe = project.folder / "own_probe.py"
    probe.write_text(f"{MEANWHILE}os.utime(path, (2**32, 2**32))\n{probe.read_text()}")
    project.snakemake(SHARD)
    assert (project.folder / SHARD).is_file()
    assert project.planned(SHARD) == Counter()


def test_a_result_whose_input_has_changed_meanwhile_is_not_taken(project):
    probe = project.folder / "own_probe.py"
    change = "text = path.read_text()\npath.write_text(text + ' ')\n"
    probe.write_text(f"{MEANWHILE}{change}{probe.read_text()}")
    done = project.snakemake(SHARD, check=False)
    assert done.returncode != 0
    assert (
        f"{SHARD}: an input has changed while it was made (it differs in targets); run the same command again"
        in " ".join(done.stdout.split())
    )
    assert "Traceback" not in done.stdout
    assert not (project.folder / SHARD).exists()


def own_checkpoint(project):
    """A checkpoint of the user's, dated in the future."""
    folder = project.folder / "own"
    shutil.copytree(project.results / "base" / "checkpoints" / "step-000004", folder)
    for path in (folder, *folder.iterdir()):
        os.utime(path, (2**32, 2**32))
    return folder


def test_a_users_checkpoint_counts_by_content(project):
    folder = own_checkpoint(project)
    project.configure("model.checkpoint", "own")
    project.configure("model.published", {8: "own"})
    goals = ("results/base/steps.parquet", "results/published/steps.parquet")
    project.snakemake(*goals)
    base, published = (pd.read_parquet(project.folder / goal) for goal in goals)
    assert published["step"].tolist() == [8]
    assert published.loc[0, "held_out_loss"] == base.loc[0, "held_out_loss"]
    os.utime(folder, None)
    (folder / ".cache").mkdir()
    assert project.planned(*goals) == Counter()
    (folder / "note.txt").write_text("x")
    assert project.planned(*goals) == Counter({"base_run": 1, "measure_published": 1})


def test_a_training_that_is_not_accepted_is_not_lost(project, finished):
    """Its outputs come too late, and Snakemake deletes them; so it does after a kill."""
    goal, rules = "results/base/steps.parquet", "workflow/rules/training.smk"
    command = re.search(r"BASE_RUN\.command\(.*?\n +\)\n", (project.folder / rules).read_text(), re.DOTALL)[0]
    late = f"{command.replace('TRAINING', 'ON_GPU').rstrip()} + '; mv {{output.state}} late'\n"
    project.edit(rules, command, late)
    shutil.rmtree(project.results / "base")
    done = project.snakemake(goal, "--latency-wait", "0", check=False)
    assert done.returncode != 0
    assert not (project.folder / goal).exists()
    shutil.copy2(finished.folder / rules, project.folder / rules)
    project.snakemake(goal)
    log = (project.results / "logs" / "base_run.log").read_text()
    assert "an earlier job has finished this run; its results are taken" in log
    assert "step 8 of 8" not in log
    for name in ("steps.parquet", "state/model.safetensors", "state/optimizer.safetensors"):
        assert (project.results / "base" / name).read_bytes() == (
            finished.results / "base" / name
        ).read_bytes()
    assert not list((project.results / "resume").glob("*"))
