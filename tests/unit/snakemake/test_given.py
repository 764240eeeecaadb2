"""What a run reads of its command line and profile."""

import sys
from types import SimpleNamespace

import pytest
from project import ROOT
from snakemake.cli import parse_set_resources
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resources
from snakemake.settings.types import ConfigSettings, ResourceSettings
from snakemake_interface_executor_plugins.settings import ExecMode

from mda.planning import plan
from mda.snakemake import given


def read(monkeypatch, folder, option, *values, **settings):
    """The settings of resources, after reading `--profile slurm` with this option."""
    # The workflow's files are read with --directory, from another folder than the command line's.
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["snakemake", "--profile", str(ROOT / "slurm"), option, *values])
    workflow = SimpleNamespace(
        resource_settings=ResourceSettings(**settings),
        config_settings=ConfigSettings(),
        modifier=SimpleNamespace(is_main_snakefile=lambda: True),
    )
    given._check_options(workflow, ROOT / "config.yaml")
    return workflow.resource_settings


@pytest.mark.parametrize("more", ["retrain:mem_mb=3000", "retrain:gpu=4"])
def test_set_resources_adds_to_the_profiles(more, monkeypatch, tmp_path):
    """As a failed job advises; Snakemake alone would drop all of the profile's."""
    asked = parse_set_resources([more])
    found = read(monkeypatch, tmp_path, "--set-resources", more, overwrite_resources=asked)
    found = found._parsed_overwrite_resources
    name, _, value = more.partition(":")[2].partition("=")
    expected = {"gpu": 1, "slurm_extra": "'--signal=TERM@180'", name: int(value)}
    values = {key: found["retrain"][key].raw for key in expected}
    assert values == expected
    assert found["base_run"]["gpu"].raw == 1


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        (["slurm_account=lab"], {"slurm_account": "lab"}),
        (["mem=3GB", "nodes=2"], {"mem_mb": 3000, "nodes": 2}),
    ],
)
def test_default_resources_add_to_the_profiles(more, changed, monkeypatch, tmp_path):
    """Where both name one, that of the command line counts."""
    # As Snakemake reads the option.
    asked = Resources.parse(more, allow_expressions=True, defaults="full")
    found = read(monkeypatch, tmp_path, "--default-resources", *more, default_resources=asked)
    shipped = {"mem_mb": 1000, "runtime": 30, "longest": 1440, "nodes": 1}
    resources = found._parsed_default_resources
    assert {name: resources[name].raw for name in shipped | changed} == shipped | changed


def test_a_file_that_may_not_be_read_is_one_sentence(monkeypatch):
    def denied(config):
        raise PermissionError(13, "Permission denied", "mine.jsonl")

    monkeypatch.setattr(plan, "read_first", denied)
    workflow = SimpleNamespace(
        modifier=SimpleNamespace(skip_configfile=True), config_settings=None, exec_mode=ExecMode.DEFAULT
    )
    with pytest.raises(WorkflowError, match=r"mine.jsonl: cannot be read \(Permission denied\); mend"):
        given.configuration(workflow, {}, ROOT)
