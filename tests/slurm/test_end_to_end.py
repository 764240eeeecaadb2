"""Every rule through `snakemake --profile slurm`, on a real cluster of three nodes."""

import filecmp
import re
import shutil
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path

import pandas as pd
from project import ROOT
from slurm.conftest import ClusterProject

from mda.runtime import job_files

# The default goal does without these; test_published.py and test_evidence.py run them.
OTHERS = {"checkpoint", "measure_published", "measured_text", "batches", "control_scores"}
OTHERS |= {"study_ablation", "study_exact", "study_sanity", "gradient_norm"}
# And test_trajectory.py, on one machine.
OTHERS |= {"trajectory"}
# And these are of a trace.
OTHERS |= {"traced_checkpoints", "document_scores"}
# Of stored gradients.
OTHERS |= {"stored_directions", "store_gradients", "check_gradients", "study_stored_gradients"}


def rules_with(text: str) -> set[str]:
    """The rules whose definition has this text."""
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk")))
    blocks = re.findall(r"^ *rule (\w+):\n((?:(?! *rule ).*\n)*)", sources, re.MULTILINE)
    return {name for name, body in blocks if text in body}


def test_every_rule_but_the_local_ones_is_a_slurm_job(on_slurm):
    remote = rules_with("shell:") - rules_with("localrule: ") - OTHERS
    assert set(on_slurm.counted()) == remote
    assert {row["State"] for row in on_slurm.accounted()} == {"COMPLETED"}
    planned = Counter(re.findall(r"\(Rule: (\w+)\)", on_slurm.output))
    assert on_slurm.counted() == Counter({rule: count for rule, count in planned.items() if rule in remote})


def test_gpus_are_given_to_the_rules_that_ask_and_never_more_than_there_are(on_slurm):
    asking = {"base_run", "head_scores", "covariance_part", "eigendecomposition", "lambda_part"}
    asking |= {"score_shard", "token_influence", "retrain"}
    rows = on_slurm.accounted()
    with_gpu = [row for row in rows if "gres/gpu=1" in row["AllocTRES"]]
    assert {row["rule"] for row in with_gpu} == asking
    assert not [row for row in rows if row["rule"] in asking and row not in with_gpu]
    assert {row["NodeList"] for row in with_gpu} == {"gpu1"}
    assert {row["NodeList"] for row in rows if row not in with_gpu} <= {"cpu1", "cpu2"}
    events = [(datetime.fromisoformat(row["Start"]), 1) for row in with_gpu]
    events += [(datetime.fromisoformat(row["End"]), -1) for row in with_gpu]
    at_once, most = 0, 0
    # Ends before starts of the same second.
    for _, change in sorted(events, key=lambda event: (event[0], event[1])):
        at_once += change
        most = max(most, at_once)
    assert 1 <= most <= on_slurm.cluster.gpus


def test_a_site_may_have_arrays(on_slurm, tmp_path):
    project = on_slurm.copy(tmp_path / "project")
    project.edit("slurm/config.yaml", "arrays: []", "arrays: [score_shard]")
    # Shards cut a sample's scores nowhere, but sums differ by rounding.
    project.configure("attribution.samples_per_shard", 50)
    project.snakemake("--until", "scores")
    assert len([row for row in project.accounted() if "_" in row["JobID"]]) > 2
    assert project.counted() == Counter(score_shard=3, scores=1)
    name = "scores/scores.parquet"
    pd.testing.assert_frame_equal(
        pd.read_parquet(project.results / name), pd.read_parquet(on_slurm.results / name), rtol=1e-5
    )


def test_the_results_are_those_of_a_local_run(on_slurm, run_here):
    """To the byte where a format has nothing of its own in it; tables by their content."""
    names = [path.relative_to(run_here.results) for path in run_here.results.rglob("*") if path.is_file()]
    names = [name for name in names if name.parts[0] not in ("logs", "benchmarks", "resume")]
    compared = Counter()
    for name in names:
        here, there = on_slurm.results / name, run_here.results / name
        if name.name == "report.html":
            continue
        assert here.is_file(), name
        if name.suffix == ".parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(here), pd.read_parquet(there), check_exact=True)
        elif name.suffix != ".pdf":
            assert filecmp.cmp(here, there, shallow=False), name
        compared[name.suffix] += 1
    assert {".parquet", ".safetensors", ".npy", ".csv", ".json", ".png"} <= set(compared)


def test_joined_logs_and_benchmarks_tell_of_every_job(on_slurm, run_here):
    """They count the jobs of a local run, which keeps a file of each; usage.csv is made amid the run."""
    used = [
        pd.DataFrame(
            job_files.by_rule(job_files.jobs(project.results / "benchmarks", project.results / "logs"))
        )
        for project in (on_slurm, run_here)
    ]
    counts = [dict(zip(table["rule"], table["jobs"], strict=True)) for table in used]
    assert counts[0] == counts[1]
    joined = (on_slurm.results / "logs" / "joined" / "retrain.log").read_text()
    assert len(re.findall("^==> retrain/.*<==$", joined, re.MULTILINE)) == counts[0]["retrain"]
    assert not [*(on_slurm.results / "logs" / "retrain").rglob("*.log")]
    # A job that has run says its memory at the end of its log.
    assert (used[0].set_index("rule").loc["retrain", "peak_mb"]) > 100


def test_nothing_is_left_to_do(on_slurm):
    assert on_slurm.planned() == Counter()


def test_the_local_profile_has_nothing_to_do_either(on_slurm):
    """Where a job ran changes nothing."""
    done = on_slurm.snakemake("--executor", "local", "--cores", "2", "--dry-run")
    assert "Nothing to be done" in done.stdout


def test_the_command_for_trying_a_cluster(cluster, warm_python, tmp_path):
    """As documented, to the letter: an experiment of seconds, on CPUs and on a GPU."""
    project = ClusterProject.make(tmp_path / "project", warm_python).on(cluster)
    (project.folder / "experiments").mkdir()
    overlay = Path(shutil.copy2(ROOT / "experiments" / "smoke.yaml", project.folder / "experiments"))
    page = (ROOT / "docs" / "how-to" / "cluster.md").read_text()
    [command] = re.findall(r"^snakemake .*smoke\.yaml$", page, re.MULTILINE)
    assert f"#   {command}\n" in overlay.read_text()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project.folder,
        env=project.environment(),
        text=True,
        capture_output=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = project.accounted()
    assert {row["State"] for row in rows} == {"COMPLETED"}
    with_gpu = Counter(row["rule"] for row in rows if "gres/gpu=1" in row["AllocTRES"])
    assert with_gpu == Counter(base_run=1, head_scores=1)
    # As the page says: three on CPUs.
    assert project.counted() - with_gpu == Counter(corpus=1, tokenizer=1, tokens=1)
    assert len(pd.read_parquet(project.results / "smoke" / "heads" / "scores.parquet")) > 0
    # Nothing is left of SLURM's logs, nor of those that each job's Snakemake could keep.
    assert not (project.results / "logs" / "slurm").exists()
    assert len([*(project.folder / ".snakemake" / "log").iterdir()]) == 1


# Parts of unequal size, each of which ends with a batch that is not full.
TRACE = {
    "checkpoints": {
        "early": {"model": "results/base/checkpoints/step-000004", "step": 4},
        "late": {"model": "results/base/checkpoints/step-000008", "step": 8},
    },
    "rows": 70,
    "jobs": 3,
}


def test_a_trace_in_shards_gives_the_scores_of_a_local_one(run_here, tmp_path):
    """To the bit. Its factors are made before, as jobs on SLURM make the same (see above)."""
    there = run_here.copy(tmp_path / "there")
    there.configure("experiment", "traced")
    there.configure("trace", TRACE)
    there.configure("tokens.tokenizer", {"kind": "file", "path": "results/tokens/tokenizer.json"})
    there.locally("results/traced/factors/lambda.safetensors")
    here = there.copy(tmp_path / "here")
    run = there.start("scored")
    assert run.wait(timeout=300) == 0, there.output[-6000:]
    assert there.counted() == Counter(score_shard=3, scores=1)
    assert {row["State"] for row in there.accounted()} == {"COMPLETED"}
    here.locally("scored")
    name = "traced/scores/scores.parquet"
    mine, theirs = (pd.read_parquet(project.results / name) for project in (there, here))
    assert len(mine) == 70
    assert mine.groupby("step").size().tolist() == [24, 23, 23]
    assert mine["influence"].abs().min() > 0
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
