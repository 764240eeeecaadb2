"""The workflow from another folder, and as a module of another workflow."""

import subprocess

import pytest
from project import OWN_PROBE, ROOT, Project

pytestmark = pytest.mark.slow

# As `snakemake` does by default: its own config file, rules and goal.
OUTER = """
configfile: "outer.yaml"


module mda:
    snakefile:
        "SNAKEFILE"
    config:
        config["mda"]


use rule * from mda as mda_*


rule all:
    default_target: True
    input:
        "results/tokens/tokenizer.json",
    output:
        "done.txt",
    shell:
        "cp {input} {output}"
"""


@pytest.fixture(scope="module")
def project(warm_python, tmp_path_factory):
    """Its folder's name has what a shell reads."""
    return Project.make(tmp_path_factory.mktemp("from") / "the work $flow's", warm_python)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "tiny.yaml").write_text((ROOT / "tests" / "tiny.yaml").read_text())
    (tmp_path / "own_probe.py").write_text(OWN_PROBE)
    return tmp_path


def run(project, folder, *command):
    done = subprocess.run(
        [project.python, *map(str, command)],
        cwd=folder,
        env=project.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert "Traceback" not in done.stdout, done.stdout[-6000:]
    return done


def test_results_go_to_the_working_folder_and_all_else_comes_from_the_workflow(project, here):
    before = {path for path in project.folder.rglob("*") if "__pycache__" not in path.parts}
    command = ["-m", "snakemake", "--configfile", here / "tiny.yaml", "--directory", here]
    command += ["--snakefile", project.folder / "Snakefile"]
    command += ["--profile", project.folder / "profiles" / "local"]
    done = run(project, here.parent, *command, "results/tokens/tokenizer.json")
    assert done.returncode == 0, done.stdout
    assert (here / "results" / "tokens" / "tokenizer.json").is_file()
    # Templates, captions and a probe of the working folder are found.
    done = run(project, here.parent, *command, "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stdout
    assert "report.html.j2" in done.stdout
    after = {path for path in project.folder.rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_the_runner_works_from_elsewhere(project, here):
    program = project.folder / "workflow" / "mda"
    done = run(project, here, program, "run", "--dry-run", "--configfile", "tiny.yaml")
    assert done.returncode == 0, done.stdout
    assert "retrain" in done.stdout


def test_a_config_yaml_that_would_not_be_read_is_refused(project, here):
    (here / "config.yaml").write_text("run: {steps: 9}\n")
    command = ["-m", "snakemake", "--snakefile", project.folder / "Snakefile", "--cores", "1", "--dry-run"]
    done = run(project, here, *command, "--configfile", "tiny.yaml")
    assert done.returncode == 1
    assert f"{here / 'config.yaml'}: is not read, for config.yaml is that of {project.folder}" in done.stdout


def test_another_workflow_uses_this_one_as_a_module(project, here):
    settings = (here / "tiny.yaml").read_text().replace("\n", "\n  ")
    (here / "outer.yaml").write_text(f"mda:\n  {settings}\n")
    (here / "Snakefile").write_text(OUTER.replace("SNAKEFILE", str(project.folder / "Snakefile")))
    done = run(project, here, "-m", "snakemake", "--cores", "1")
    assert done.returncode == 0, done.stdout[-6000:]
    assert (here / "done.txt").read_bytes() == (here / "results" / "tokens" / "tokenizer.json").read_bytes()
    # The rest of config.yaml is that of the workflow: a vocabulary of 22 by the overlay, two targets.
    planned = run(project, here, "-m", "snakemake", "--cores", "1", "--dry-run", "results/report.html").stdout
    assert "mda_retrain" in planned
    done = run(project, here, "-m", "snakemake", "--cores", "1", "--dry-run", "--config", "mda={runn: 3}")
    assert "configuration: unknown key 'runn'; did you mean 'run'?" in done.stdout
