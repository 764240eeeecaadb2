"""Recipes of the documentation that need no run: what they say is valid, and works."""

import copy
import json
import re
from typing import get_args

import pytest
import recipes
import yaml
from conftest import tiny_model
from project import ROOT
from snakemake.utils import update_config
from tokenizers import Tokenizer, models

from mda.attribution import checks
from mda.config import corpus_sections, experiment, sections
from mda.corpus.tokens import load_tokenizer
from mda.steps.corpus import tokenizer as tokenizer_step


def word_tokenizer(path):
    path.parent.mkdir(exist_ok=True)
    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3}, unk_token="<unk>"))
    words.save(str(path))


def test_your_own_tokenizer(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    word_tokenizer(tmp_path / "my-tokenizer" / "tokenizer.json")
    [overlay] = recipes.overlays("docs/how-to/own-corpus.md", "Your own tokenizer")
    update_config(default, overlay)
    settings = experiment.check(default).tokens.tokenizer
    tokenizer_step.make([], settings, None, tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path / "tokenizer.json").encode("a").ids == [0, 3, 1]


def test_every_source_of_text_is_named():
    named = re.findall(r"\| `(\w+)` \|", recipes.section("docs/how-to/own-corpus.md", "Other sources"))
    known = get_args(corpus_sections.Corpus.model_fields["source"].annotation)
    assert set(named) == set(known) - {"synthetic"}


def test_choose_a_unit(default):
    """All kinds of units that it names, in targets that are valid."""
    [overlay] = recipes.overlays("docs/how-to/own-probe.md", "Choose a unit")
    update_config(default, overlay)
    checked = experiment.check(default)
    asked = [unit for target in checked.targets for unit in target.units]
    for pattern in (sections.HEAD_PATTERN, sections.RANK_PATTERN, sections.NEURON_PATTERN):
        assert any(pattern.match(unit) for unit in asked)
    assert checked.neurons() == ["L1N37"]


def test_another_architecture(default):
    page = "docs/how-to/own-model.md"
    text = recipes.section(page, "Another architecture").replace("\n", " ")
    names = re.search(r"`model.architecture` is one of ([^.]+)\. ", text)[1]
    names = [name.split()[0] for name in names.split(",")]
    assert set(names) == set(get_args(sections.Architecture))
    of_gpt2, grouped = recipes.overlays(page, "Another architecture")
    for name in names:
        overlay = copy.deepcopy(default)
        if name == "gpt2":
            update_config(overlay, of_gpt2)
        elif name in ("mistral", "qwen2", "qwen3"):
            update_config(overlay, grouped)
        overlay["model"]["architecture"] = name
        assert experiment.check(overlay).model.architecture == name


def own_model(folder):
    """A checkpoint with its tokenizer, and a text."""
    tiny_model().save_pretrained(folder / "my-model")
    word_tokenizer(folder / "my-model" / "tokenizer.json")
    (folder / "mine.jsonl").write_text(json.dumps({"text": "a"}) + "\n")


def test_a_checkpoint(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_model(tmp_path)
    own, of_hub = recipes.overlays("docs/how-to/own-model.md", "A checkpoint")
    hub = copy.deepcopy(default)
    update_config(default, own)
    assert experiment.check(default).model.local.name == "my-model"
    update_config(hub, of_hub)
    assert experiment.check(hub).model.remote == experiment.check(hub).tokens.tokenizer.path


TRACE = "docs/how-to/trace.md"


def test_the_example_of_the_readme_is_that_of_the_documentation():
    [own] = recipes.overlays(TRACE, "Your own model")
    assert yaml.safe_load(recipes.indented("README.md", "Your own model")[0]) == own


@pytest.mark.parametrize("title", ["Several checkpoints", "Checkpoints of the hub", "Questions in text"])
def test_what_is_added_to_a_trace_is_valid(title, default, tmp_path, monkeypatch):
    """Each block, in place of what the example has."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    own_model(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for name in ("step-1000", "step-9000"):
        (tmp_path / "checkpoints" / name).symlink_to(tmp_path / "my-model")
    [own], [more] = recipes.overlays(TRACE, "Your own model"), recipes.overlays(TRACE, title)
    own["tokens"]["context"] = 32
    if "trace" in more:
        own["trace"]["checkpoints"] = {}
    update_config(default, own)
    update_config(default, more)
    checked = experiment.check(default)
    assert checked.trace is not None
    asked = default["trace"].get("at") or checked.trace.last
    assert checked.attribution.checkpoint == checked.trace.steps[asked]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_write_a_probe(default, tmp_path, monkeypatch):
    """It is valid, and gives a number with a gradient."""
    monkeypatch.chdir(tmp_path)
    page = "docs/how-to/own-probe.md"
    [source] = recipes.blocks(page, "Write a probe", "python")
    (tmp_path / "my_probe.py").write_text(source)
    [overlay] = recipes.overlays(page, "Write a probe")
    update_config(default, overlay)
    checked = experiment.check(default)
    assert checked.probe_files() == ("my_probe.py",)

    values = checks.ask(tiny_model().config, 32, checked.targets, checked.probes)
    assert 0 < values["first-token"] < 1


def test_the_tutorials_overlay(default):
    [overlay] = recipes.overlays("docs/tutorial.md", "6. Change something")
    update_config(default, overlay)
    assert experiment.check(default).results == "results/half"


def test_motifs_across_scales(default, tmp_path, monkeypatch):
    [block] = recipes.blocks("docs/how-to/pythia.md", "Motifs across scales")
    [first, second] = re.search(r"--configfile (\S+) (\S+)", block).groups()
    assert second == re.match(r"# (\S+);", block)[1]
    update_config(default, yaml.safe_load((ROOT / first).read_text()))
    monkeypatch.chdir(tmp_path)
    update_config(default, yaml.safe_load(block))
    with pytest.raises(Exception, match="run the experiment that makes it"):
        experiment.check(default)
    for seed in default["experiments"]["seeds"]:
        for name in default["experiments"]["augmentation"]["motifs"].values():
            path = tmp_path / name.replace("{seed}", str(seed))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert experiment.check(default).experiment == "pythia-160m"
