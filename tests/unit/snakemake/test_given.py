"""What a run reads of its command line and profile."""

import sys
from types import SimpleNamespace

import pytest
from project import ROOT
from snakemake.cli import parse_set_resources
from snakemake.settings.types import ConfigSettings, ResourceSettings

from mda.snakemake import given


@pytest.mark.parametrize("more", ["retrain:mem_mb=3000", "retrain:gpu=4"])
def test_set_resources_adds_to_the_profiles(more, monkeypatch, tmp_path):
    """As a failed job advises; Snakemake alone would drop all of the profile's."""
    # The workflow's files are read with --directory, from another folder than the command line's.
    monkeypatch.chdir(tmp_path)
    words = ["--profile", str(ROOT / "slurm"), "--set-resources", more]
    monkeypatch.setattr(sys, "argv", ["snakemake", *words])
    asked = ResourceSettings(overwrite_resources=parse_set_resources([more]))
    workflow = SimpleNamespace(
        resource_settings=asked,
        config_settings=ConfigSettings(),
        modifier=SimpleNamespace(is_main_snakefile=lambda: True),
    )
    given._check_options(workflow, ROOT / "config.yaml")
    found = asked._parsed_overwrite_resources
    name, _, value = more.partition(":")[2].partition("=")
    expected = {"gpu": 1, "slurm_extra": "'--signal=TERM@180'", name: int(value)}
    values = {key: found["retrain"][key].raw for key in expected}
    assert values == expected
    assert found["base_run"]["gpu"].raw == 1
