"""The pins: one place, exact, and the conda environment agrees."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys

import yaml
from project import ROOT

from mda.runtime import fingerprints

# conda-forge's names of packages that PyPI names otherwise.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "huggingface-hub": "huggingface_hub"}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name):
    lines = (ROOT / "envs" / name).read_text().splitlines()
    found = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in found), found
    return {canonical(line.split("==")[0]): line.split("==")[1] for line in found}


def test_the_installed_environment_is_the_pinned_one():
    for name in ("requirements.txt", "requirements-no-deps.txt", "requirements-dev.txt"):
        for package, version in pins(name).items():
            assert importlib.metadata.version(package).split("+")[0] == version, package


def test_no_package_is_pinned_twice():
    files = [pins(name) for name in ("requirements.txt", "requirements-no-deps.txt", "requirements-dev.txt")]
    names = [package for file in files for package in file]
    assert len(set(names)) == len(names)


def test_the_conda_environment_has_the_same_versions():
    wanted = pins("requirements.txt") | pins("requirements-no-deps.txt")
    listed = yaml.safe_load((ROOT / "envs" / "mda.yaml").read_text())["dependencies"]
    lines = [line for line in listed if isinstance(line, str)] + listed[-1]["pip"]
    versions = dict(re.split(r"\s*==?", line, maxsplit=1) for line in lines if "=" in line)
    assert versions.pop("python") == "3.11"
    for name, version in versions.items():
        assert wanted[canonical(CONDA_NAMES.get(name, name))] == version, name
    assert {"pytorch", "transformers", "kronfluence", "pandas"} <= set(versions)


def test_the_conda_environment_has_all_that_the_steps_import():
    listed = yaml.safe_load((ROOT / "envs" / "mda.yaml").read_text())["dependencies"]
    lines = [line for line in listed if isinstance(line, str)] + listed[-1]["pip"]
    names = {re.split(r"\s*=", line)[0] for line in lines}
    modules = {
        {"pytorch": "torch", "matplotlib-base": "matplotlib", "pyyaml": "yaml", "protobuf": "google"}.get(
            n, n
        )
        for n in names
    }
    # What comes with those: with matplotlib, jinja2, accelerate, huggingface_hub.
    modules |= {"PIL", "markupsafe", "psutil", "httpx2"}
    imported = set()
    package = ROOT / "workflow" / "mda"
    # What extends Snakemake runs in Snakemake's own environment.
    for path in set(package.rglob("*.py")) - set((package / "snakemake").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) - {"mda"} <= modules


# Those that run a model, or products of the size of its layers.
WITH_TORCH = {
    "attribution.covariance", "attribution.eigendecomposition", "attribution.gradient_norm",
    "attribution.lambdas", "attribution.scores", "attribution.token_influence", "studies.ablation",
    "studies.exact", "studies.sanity",
    "models.heads", "models.measure_published", "training.base_run", "training.retrain",
    "attribution.trajectory",
    "attribution.store_gradients", "attribution.stored_scores", "attribution.check_gradients",
}  # fmt: skip


def test_no_other_step_loads_torch():
    """It takes a second, and transformers two more, before the work begins."""
    steps = set(fingerprints.steps())
    assert steps > WITH_TORCH
    modules = ", ".join(f"mda.steps.{step}" for step in sorted(steps - WITH_TORCH))
    code = f"import sys, {modules}; print({{'torch', 'transformers'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"
