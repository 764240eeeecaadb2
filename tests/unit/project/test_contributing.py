"""The worked examples of CONTRIBUTING.md that need no workflow."""

import independent
import recipes
import torch
import yaml
from conftest import tiny_model
from project import ROOT

import mda
from mda.attribution import probes
from mda.models import architectures
from mda.models.units import Head

from ..models import test_architectures

GUIDE = "CONTRIBUTING.md"


def entry(block, module):
    """A line of a dictionary in the names of a module."""
    return eval(f"{{{block}}}", vars(module).copy())


def test_add_an_architecture(monkeypatch):
    """The example's scores equal autograd, by the test of all architectures."""
    made, size, weights = recipes.blocks(GUIDE, "Add an architecture", "python")
    [(kind, architecture)] = entry(made, architectures).items()
    assert kind not in architectures.ARCHITECTURES
    monkeypatch.setitem(architectures.ARCHITECTURES, kind, architecture)
    monkeypatch.setitem(independent.SETTINGS, kind, entry(size, independent)[kind])
    monkeypatch.setitem(independent.WEIGHTS, kind, entry(weights, independent)[kind])
    monkeypatch.setattr(independent, "LLAMAS", [*independent.LLAMAS, kind])
    test_architectures.test_head_scores_equal_per_sample_gradients(kind)
    test_architectures.test_blocks_are_the_units_own_weights(kind)


def test_add_a_probe():
    [source] = recipes.blocks(GUIDE, "Add a probe", "python")
    names = vars(probes).copy()
    exec(source, names)
    model, tokens = tiny_model(), torch.arange(12).reshape(2, 6)
    value = probes.checked("first_token", names["first_token"])(model, tokens, [Head(1, 0)])
    # Attention of ten positions, each at most 1.
    assert 0 < value.item() < 10
    value.backward()
    assert model.gpt_neox.layers[1].attention.query_key_value.weight.grad.abs().sum() > 0


def test_the_version_is_the_same_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == mda.__version__
    assert f"\n## {mda.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_forms_and_records_are_valid_yaml():
    paths = [*(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"), ROOT / ".snakemake-workflow-catalog.yml"]
    assert len(paths) == 4
    assert all(isinstance(yaml.safe_load(path.read_text()), dict) for path in paths)
