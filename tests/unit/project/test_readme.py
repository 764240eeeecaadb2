"""Recipes of the README that need no run: what they say is valid, and works."""

import copy
import re

import pytest
import readme
import yaml
from project import ROOT
from snakemake.utils import update_config
from tokenizers import Tokenizer, models

from mda.config import experiment, sections
from mda.corpus.tokens import load_tokenizer
from mda.steps.corpus import tokenizer as tokenizer_step


def test_another_tokenizer(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-tokenizer").mkdir()
    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3}, unk_token="<unk>"))
    words.save("my-tokenizer/tokenizer.json")
    update_config(default, readme.overlay("Another tokenizer"))
    settings = experiment.check(default).tokens.tokenizer
    tokenizer_step.make([], settings, None, tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path / "tokenizer.json").encode("a").ids == [0, 3, 1]


def test_another_unit(default):
    """All kinds of units that it names."""
    text = readme.recipe("Another unit")
    units = [
        unit
        for unit in re.findall(r"`([^`]+)`", text)
        if any(pattern.match(unit) for pattern in (sections.HEAD_PATTERN, sections.RANK_PATTERN))
    ]
    assert units == ["L1H0", "induction 2", "previous-token 1"]
    default["targets"][0]["units"] = units
    [neuron] = [unit for unit in re.findall(r"`([^`]+)`", text) if sections.NEURON_PATTERN.match(unit)]
    default["probes"]["active"] = {**default["probes"]["induction"], "measure": "activation"}
    default["targets"].append(
        {"name": "neuron", "units": [neuron], "probe": "active", "mode": "in-out", "metric": "activation"}
    )
    assert experiment.check(default).neurons() == [neuron]


def test_another_model(default):
    names = re.search(r"`model.architecture`: ([^.]+?)\.\s", readme.recipe("Another model"))[1]
    names = [name.split()[0] for name in names.split(",")]
    assert len(names) == 7
    of_gpt2, grouped = map(yaml.safe_load, re.findall(r"`settings: ({.+?})`", readme.recipe("Another model")))
    for name in names:
        default["model"]["architecture"] = name
        own = copy.deepcopy(default)
        needed = of_gpt2 if name == "gpt2" else grouped if name in ("mistral", "qwen2", "qwen3") else {}
        update_config(own["model"]["settings"], needed)
        assert experiment.check(own).model.architecture == name


def test_another_probe(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_probe.py").write_text(
        "def score(model, tokens, units):\n    return model(tokens).logits.mean()\n"
    )
    [line] = re.findall(r"`(probes: [^`]+)`", readme.recipe("Another probe"))
    update_config(default, yaml.safe_load(line))
    default["targets"][0]["probe"] = "mine"
    assert experiment.check(default).probe_files() == ("my_probe.py",)


def test_motifs_across_scales(default, tmp_path, monkeypatch):
    block = readme.block("Motifs across scales")
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
