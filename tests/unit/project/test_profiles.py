"""Profiles: what they count on this machine, what a site fills in, and that every key is explained."""

import io
import os
import re
import shutil
import subprocess

import pytest
import yaml
import yte
from project import ROOT

from mda.runtime import machine

PROFILES = ROOT / "profiles"
VARIABLES = ("account", "gpu_model", "gres", "jobs", "longest", "notice", "gpus", "arrays")


FOLDERS = {"local": PROFILES / "local", "slurm": ROOT / "slurm"}


def profile(name, **changes):
    text = (FOLDERS[name] / "config.yaml").read_text()
    for key, value in changes.items():
        assert f"  {key}: null\n" in text
        text = text.replace(f"  {key}: null\n", f"  {key}: {value}\n")
    return yte.process_yaml(io.StringIO(text), require_use_yte=True)


@pytest.mark.parametrize(("visible", "gpus"), [("0,1,2", 3), ("", None)])
def test_this_machine_is_counted(monkeypatch, visible, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.chdir(ROOT)
    resources = profile("local")["resources"]
    assert resources.get("gpu") == gpus
    assert resources["mem_mb"] == machine.memory()
    assert profile("local")["cores"] == machine.cores()


def test_what_a_site_leaves_out_is_not_asked_for():
    shipped = profile("slurm")
    assert "slurm_account" not in shipped["default-resources"]
    assert set(shipped["set-resources"]) == {"base_run", "retrain", "trajectory"}
    assert shipped["default-resources"]["longest"] == 1440
    assert not [key for key in shipped if "array" in key]
    assert shipped["set-resources"]["retrain"]["slurm_extra"] == "'--signal=TERM@180'"


def test_what_a_site_fills_in_reaches_the_jobs():
    filled = profile("slurm", account="lab", gpu_model="a100")
    assert filled["default-resources"]["slurm_account"] == "lab"
    assert {rule["gpu_model"] for rule in filled["set-resources"].values()} == {"a100"}
    assert {"base_run", "retrain", "score_shard", "lambda_part"} <= set(filled["set-resources"])


def test_gpus_by_gres_are_asked_for_by_nothing_else():
    text = (FOLDERS["slurm"] / "config.yaml").read_text().replace("  gres: false", "  gres: true")
    filled = yte.process_yaml(io.StringIO(text), require_use_yte=True)["default-resources"]
    assert (filled["by_gres"], filled["gpus"]) == (1, 0)
    assert not {"by_gres", "gpus"} & set(profile("slurm")["default-resources"])


def test_with_arrays_no_job_is_left_behind():
    """The plugin drops jobs of an array rule when not all that are ready are submitted at once."""
    text = (FOLDERS["slurm"] / "config.yaml").read_text()
    text = text.replace("  arrays: []", "  arrays: [score_shard, lambda_part]")
    filled = yte.process_yaml(io.StringIO(text), require_use_yte=True)
    assert filled["slurm-array-jobs"] == "score_shard,lambda_part"
    assert filled["jobs"] >= 10**6
    assert filled["max-jobs-per-timespan"] == "1000000/1s"


def test_every_key_and_variable_is_explained():
    text = (ROOT / "docs" / "reference" / "profiles.md").read_text()
    keys = set(profile("slurm")) - {"printshellcmds"}
    assert not [key for key in [*keys, *VARIABLES] if f"`{key}" not in text]


def test_no_file_of_the_project_is_a_link():
    """A checkout without links (Windows, many a zip) has a plain file in its place."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, text=True, capture_output=True)
    links = [line for line in listed.stdout.splitlines() if line.startswith("120000")]
    assert not links
    # What `--profile slurm` looks for.
    assert (ROOT / "slurm" / "config.yaml").is_file() and not (ROOT / "slurm").is_symlink()


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_a_profile_is_found_from_elsewhere_and_stops_at_wrong_settings(name, tmp_path, warm_python):
    """Snakemake reads the files of --configfile before any rule, and has a traceback for a missing one."""
    program = tmp_path / "program.py"
    program.write_text(
        "import io, os, sys, yte, pathlib; folder = pathlib.Path(os.environ['FOLDER'])\n"
        "yte.process_yaml(io.StringIO((folder / 'config.yaml').read_text()), require_use_yte=True)\n"
        "import mda; print(mda.__file__)\n"
    )

    def read(*words, folder=FOLDERS[name], **variables):
        command = [warm_python, program, *map(str, words)]
        variables = {**os.environ, "FOLDER": str(folder), **variables}
        return subprocess.run(command, cwd=tmp_path, env=variables, text=True, capture_output=True)

    by_path = ("--profile", FOLDERS[name])
    # A site's own copy has any name and place.
    copy = shutil.copytree(FOLDERS[name], tmp_path / "site")
    for done in (
        read(*by_path),
        read(f"--profile={FOLDERS[name]}"),
        read(SNAKEMAKE_PROFILE=str(FOLDERS[name])),
        read("--profile", copy, "-s", ROOT / "Snakefile", folder=copy),
        read(f"--snakefile={ROOT / 'Snakefile'}", folder=copy, SNAKEMAKE_PROFILE=str(copy)),
    ):
        assert done.stdout.strip() == str(ROOT / "workflow" / "mda" / "__init__.py"), done.stderr
    done = read(*by_path, "--configfile", "gone.yaml")
    assert done.returncode == 1
    assert done.stderr == "error: gone.yaml: cannot be read (No such file or directory); check the name\n"
    done = read(*by_path, "--configfile", ROOT / "config.yaml", "head_scores")
    assert "head_scores: --configfile takes every word after it" in done.stderr
    assert done.stderr.endswith("if it is a goal, put it before --configfile\n")


def rules_with(text):
    """The rules whose definition has this text."""
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk")))
    blocks = re.findall(r"^ *rule (\w+):\n((?:(?! *rule ).*\n)*)", sources, re.MULTILINE)
    return {name for name, body in blocks if text in body}


def test_the_profile_knows_the_rules_with_gpus_and_those_that_train():
    """Its lists are those of the rules."""
    variables = yaml.safe_load((FOLDERS["slurm"] / "config.yaml").read_text())["__variables__"]
    assert {*variables["gpus"], *variables["other_gpu_rules"]} == rules_with("gpu=")
    # Scoring passes save too, but take no signal.
    passes = {"score_shard", "store_gradients", "gradient_norm", "token_influence"}
    assert set(variables["gpus"]) == rules_with("save_seconds=") - passes
