"""Recipes of the documentation that need no run: what they say is valid, and works."""

import copy
import json
import re
from typing import get_args

import numpy as np
import pytest
import recipes
import torch
import yaml
from conftest import tiny_model
from project import ROOT
from safetensors.numpy import save_file
from snakemake.utils import update_config
from tokenizers import Tokenizer, models

from mda.attribution import checks, probes
from mda.config import consistency, corpus_sections, sections, unit_sections
from mda.corpus import prompts
from mda.corpus.tokens import load_tokenizer
from mda.models.units import Head
from mda.steps.corpus import tokenizer as tokenizer_step

OWN_PROBE = "docs/how-to/own-probe.md"


def word_tokenizer(path):
    path.parent.mkdir(exist_ok=True)
    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3}, unk_token="<unk>"))
    words.save(str(path))


def test_your_own_tokenizer(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    word_tokenizer(tmp_path / "my-tokenizer" / "tokenizer.json")
    [overlay] = recipes.overlays("docs/how-to/own-corpus.md", "Your own tokenizer")
    update_config(default, overlay)
    settings = consistency.check(default).tokens.tokenizer
    tokenizer_step.make([], settings, None, tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path / "tokenizer.json").encode("a").ids == [0, 3, 1]


def test_every_source_of_text_is_named():
    named = re.findall(r"\| `(\w+)` \|", recipes.section("docs/how-to/own-corpus.md", "Other sources"))
    known = get_args(corpus_sections.Corpus.model_fields["source"].annotation)
    assert set(named) == set(known) - {"synthetic"}


def test_choose_a_unit(default):
    """All kinds of units that it names, in targets that are valid."""
    [overlay] = recipes.overlays(OWN_PROBE, "Choose a unit")
    update_config(default, overlay)
    checked = consistency.check(default)
    asked = [unit for target in checked.targets for unit in target.units]
    places = [unit_sections.HEAD_PATTERN, unit_sections.NEURON_PATTERN, unit_sections.LAYER_PATTERN]
    for pattern in (unit_sections.RANK_PATTERN, unit_sections.CLASS_PATTERN, *places):
        assert any(pattern.match(unit) for unit in asked)
    assert checked.neurons() == ["L1N37"]


def test_the_table_of_units_has_the_modes_and_metrics_of_the_schema():
    """Each line names units that the schema knows, with what it allows for them."""
    rows = re.findall(r"^\| (?!Unit|---)(.*) \|$", recipes.section(OWN_PROBE, "Choose a unit"), re.MULTILINE)
    seen, modes, metrics = set(), [], []
    for row in rows:
        named, mode, metric = (re.findall(r"`([^`]+)`", cell) for cell in row.split(" | ")[1:])
        # "as above"
        modes, metrics = mode or modes, metric or metrics
        for unit in named:
            target = unit_sections.Target(name="t", units=[unit], probe="p", mode=modes[0], metric=metrics[0])
            assert (list(target.fits.modes), list(target.fits.metrics)) == (modes, metrics), unit
            seen |= target.kinds
    assert seen == set(get_args(unit_sections.UnitKind))


@pytest.mark.parametrize(
    ("title", "measure"),
    [
        ("Ask with prompts", "prompts"),
        ("Ask with texts", "rows"),
        ("Ask for a feature of a sparse autoencoder", "feature"),
    ],
)
def test_ask_in_text(title, measure, default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for lines in recipes.blocks(OWN_PROBE, title, "json"):
        (tmp_path / "prompts.jsonl").write_text(lines)
        assert len(prompts.read_prompts(tmp_path / "prompts.jsonl")) == 2
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "a"}) + "\n")
    width = default["model"]["settings"]["hidden_size"]
    encoder = {"W_enc": np.zeros((width, 8), np.float32), "b_enc": np.zeros(8, np.float32)}
    save_file(encoder, tmp_path / "sae.safetensors")
    [overlay] = recipes.overlays(OWN_PROBE, title)
    update_config(default, overlay)
    checked = consistency.check(default)
    assert [checked.probes[target.probe].measure for target in checked.targets] == [measure]


def test_watch_the_probe_itself(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    title = "Watch the probe itself"
    [source] = recipes.blocks(OWN_PROBE, title, "python")
    (tmp_path / "watched_probe.py").write_text(source)
    [overlay] = recipes.overlays(OWN_PROBE, title)
    update_config(default, overlay)
    [target] = consistency.check(default).targets
    watching = probes.metric(overlay["probes"]["watched"]["measure"], None)
    tokens = torch.arange(12).reshape(2, 6)
    watched = watching(tiny_model(), tokens, [Head(1, 0)]).item()
    assert target.metric == "probe"
    assert 0 < watched < 1


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
        assert consistency.check(overlay).model.architecture == name


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
    assert consistency.check(default).model.local.name == "my-model"
    update_config(hub, of_hub)
    assert consistency.check(hub).model.remote == consistency.check(hub).tokens.tokenizer.path


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
    checked = consistency.check(default)
    assert checked.trace is not None
    asked = default["trace"].get("at") or checked.trace.last
    assert checked.attribution.checkpoint == checked.trace.steps[asked]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_write_a_probe(default, tmp_path, monkeypatch):
    """It is valid, and gives a number with a gradient."""
    monkeypatch.chdir(tmp_path)
    [source] = recipes.blocks(OWN_PROBE, "Write a probe", "python")
    (tmp_path / "my_probe.py").write_text(source)
    [overlay] = recipes.overlays(OWN_PROBE, "Write a probe")
    update_config(default, overlay)
    checked = consistency.check(default)
    assert checked.probe_files() == ("my_probe.py",)

    values = checks.ask(tiny_model().config, 32, checked.targets, checked.probes)
    assert 0 < values["first-token"] < 1


def test_goals_stand_before_the_settings_files():
    """`--configfile` takes every word after it."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    given = [
        [word for word in words.split(" -")[0].split() if not word.startswith("#")]
        for page in pages
        for words in re.findall(r"--configfile ([^\n`|]+)", page.read_text())
    ]
    assert len(given) > 10
    assert not [words for words in given if any(not word.strip(";,.)").endswith(".yaml") for word in words)]


def test_the_tutorials_overlay(default):
    [overlay] = recipes.overlays("docs/tutorial.md", "6. Change something")
    update_config(default, overlay)
    assert consistency.check(default).results == "results/half"


def test_motifs_across_scales(default, tmp_path, monkeypatch):
    [block] = recipes.blocks("docs/how-to/pythia.md", "Motifs across scales")
    [first, second] = re.search(r"--configfile (\S+) (\S+)", block).groups()
    assert second == re.match(r"# (\S+);", block)[1]
    update_config(default, yaml.safe_load((ROOT / first).read_text()))
    monkeypatch.chdir(tmp_path)
    update_config(default, yaml.safe_load(block))
    with pytest.raises(Exception, match="run the experiment that makes it"):
        consistency.check(default)
    for seed in default["experiments"]["seeds"]:
        for name in default["experiments"]["augmentation"]["motifs"].values():
            path = tmp_path / name.replace("{seed}", str(seed))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert consistency.check(default).experiment == "pythia-160m"
