"""The check before anything is long: the model is made, and a user's probe asked, of a sketch of it."""

import json
import os
import subprocess
import sys
from typing import get_args

import pydantic_core
import pytest
from project import OWN_PROBE, ROOT

from mda.attribution import checks
from mda.config import consistency, sections
from mda.planning import plan
from mda.runtime.errors import UserError

GROUPED = {"llama", "mistral", "olmo2", "qwen2", "qwen3"}


@pytest.fixture
def asked(default, tmp_path, monkeypatch):
    """Ask a probe of this source on a model of this architecture."""
    monkeypatch.chdir(tmp_path)

    def ask(source, architecture="gpt_neox", units=("induction 1", "L1H1"), mode="qk", **files):
        for name, text in {"own": source, **files}.items():
            (tmp_path / f"{name}.py").write_text(text)
        default["model"]["architecture"] = architecture
        default["model"]["settings"] |= {"intermediate_size": None} if architecture == "gpt2" else {}
        default["model"]["settings"] |= {"num_key_value_heads": 1} if architecture in GROUPED else {}
        default["probes"]["previous-token"]["measure"] = "own.py:previous"
        default["targets"][0] |= {"units": list(units), "probe": "previous-token", "mode": mode}
        default["studies"]["specificity"] = None
        found = consistency.check(default)
        made = checks.configuration(found.model, found.tokens.context, found.targets)
        return checks.described(made), checks.ask(made, 32, found.targets, found.probes)

    return ask


@pytest.mark.parametrize("architecture", get_args(sections.Architecture))
def test_a_probe_is_asked_of_every_architecture(asked, architecture):
    described, values = asked(OWN_PROBE, architecture)
    assert (described["architecture"], described["layers"], described["heads"]) == (architecture, 2, 2)
    # Of 64 sequences and 2 heads: a token t attends about evenly to t + 1 tokens.
    assert values["induction-1"] == pytest.approx(64 * 2 * sum(1 / (t + 1) for t in range(1, 32)), rel=0.1)


def test_parameters_are_counted_without_memory_for_them(default):
    default["model"]["settings"] |= {"hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64}
    default["model"]["settings"] |= {"intermediate_size": 32768}
    made = checks.configuration(consistency.check(default).model, 32, [])
    assert checks.described(made)["parameters_without_embeddings"] == pytest.approx(
        80 * 12 * 8192**2, rel=0.01
    )


def test_settings_that_only_transformers_knows_to_be_wrong(default):
    default["model"]["settings"]["hidden_act"] = "gelo"
    made = checks.configuration(consistency.check(default).model, 32, [])
    with pytest.raises(UserError, match=r"model\.settings: no model can be made of them"):
        checks.described(made)


def test_a_neuron_of_a_high_number_is_there(asked, default):
    source = """
def previous(model, tokens, neurons):
    layer = model.gpt_neox.layers[neurons[0].layer]
    kept = []
    handle = layer.mlp.act.register_forward_hook(lambda module, inputs, output: kept.append(output))
    model(tokens)
    handle.remove()
    return kept[0][..., neurons[0].number].sum()
"""
    default["targets"][0]["metric"] = "activation"
    assert asked(source, units=["L1N200"], mode="in-out")[1].keys() == {"induction-1"}


HEAD = "def previous(model, tokens, heads):\n"
LATE = "    x = 1\n    raise ValueError('so\\nit is')\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            HEAD + "    x = 1\n    raise ValueError('so\\nit is')\n",
            "line 3 fails with ValueError: so it is",
        ),
        (
            HEAD + "    import helper\n    return helper.f()\n",
            "helper.py, line 2 fails with ZeroDivisionError",
        ),
        (HEAD + "    return model(tokens).logits[0, 99].sum()\n", "own.py, line 2 fails with IndexError"),
        (HEAD + "    import gone\n", "line 2 fails with ModuleNotFoundError: No mod"),
        (HEAD + "    return 1.0\n", "must return a scalar tensor"),
        (
            HEAD + "    return (model(tokens).logits * float('nan')).sum()\n",
            "its value is not finite",
        ),
        (
            HEAD + "    return model(tokens).logits.detach().sum()\n",
            "must return a scalar tensor that depends",
        ),
    ],
)
def test_a_probe_that_fails_is_one_sentence_with_its_line(asked, source, words):
    with pytest.raises(UserError) as caught:
        asked(source, helper="def f():\n    return 1 / 0\n")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    sys.modules.pop("helper", None)


def test_a_probe_without_a_gradient_is_told(asked, capsys):
    """A trained model may have one where a sketch has none."""
    asked(HEAD + "    return (model(tokens).logits * 0).sum()\n")
    assert "it has no gradient in qk of L1H1, L1H0 of a sketch" in capsys.readouterr().err


def test_a_probe_may_name_any_token(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(HEAD + "    return model(tokens).logits[:, -1, 1000].sum()\n")
    default["probes"]["previous-token"]["measure"] = "own.py:previous"
    default["targets"][0] |= {"units": ["L1H0"], "probe": "previous-token"}
    found = consistency.check(default)
    made = checks.configuration(found.model, 32, found.targets)
    for size in (1024, checks.VOCABULARY):
        assert checks.ask(made, 32, found.targets, found.probes, size)


def test_a_repository_has_its_own_architecture(default, tmp_path, monkeypatch):
    """As the rules ask, before anything of it is here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(HEAD + "    return model.model(tokens)[0].sum()\n")
    default["model"] |= {"architecture": "llama", "checkpoint": "a/b", "revision": "main"}
    default["tokens"]["tokenizer"] |= {"kind": "huggingface", "path": "a/b", "revision": "main"}
    default["probes"]["previous-token"]["measure"] = "own.py:previous"
    default["targets"][0] |= {"units": ["L1H0"], "probe": "previous-token"}
    found = consistency.check(default)
    checks.main(pydantic_core.to_json(plan.asked_first(found)).decode())
    assert (tmp_path / "results" / "checks.json").is_file()


def test_of_a_repository_units_by_place_are_there(default, tmp_path, monkeypatch):
    """Nothing of it is downloaded yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN_PROBE)
    default["model"] |= {"checkpoint": "a/b", "revision": "main"}
    default["tokens"]["tokenizer"] |= {"kind": "huggingface", "path": "a/b", "revision": "main"}
    default["probes"]["previous-token"]["measure"] = "own.py:previous"
    units = ["L1H0", *(f"induction {rank}" for rank in range(1, 8))]
    default["targets"][0] |= {"units": units, "probe": "previous-token", "mode": "qk"}
    found = consistency.check(default)
    made = checks.configuration(found.model, 32, found.targets)
    assert checks.ask(made, 32, found.targets, found.probes).keys() == {"induction-1"}


def test_the_program_writes_what_it_found_or_says_one_sentence(default, tmp_path, warm_python):
    found = consistency.check(default)
    asked = {
        "model": found.model.model_dump(),
        "vocabulary": None,
        "context": 32,
        "targets": [],
        "probes": {},
        "tokenizer": str(tmp_path / "tokenizer.json"),
        "out": str(tmp_path / "checks.json"),
    }

    def run():
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "MDA_CHECK": json.dumps(asked)}
        command = [warm_python, "-m", "mda.attribution.checks"]
        return subprocess.run(command, env=variables, text=True, capture_output=True)

    done = run()
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "checks.json").read_text())["model"]["layers"] == 2
    asked["model"]["settings"]["hidden_act"] = "gelo"
    done = run()
    assert done.returncode == 1
    assert done.stderr.startswith("error before the step: model.settings: no model can be made of them")
    assert done.stderr.count("\n") == 1
