"""Settings of architectures, known without transformers: names, types, values; what null takes away."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from project import ROOT
from safetensors.numpy import save_file

from mda.config import consistency, model_settings, sections
from mda.runtime.errors import UserError

GPT2 = {"architecture": "gpt2"}


@pytest.mark.parametrize("kind", get_args(sections.Architecture))
def test_names_are_those_of_transformers_itself(kind):
    from transformers import AutoConfig

    standard = AutoConfig.for_model(kind)
    found = model_settings.known(kind)
    # The others are no settings: what it is of, and what a call may ask for.
    own = set(standard.to_dict()) - {"model_type", "transformers_version", "_name_or_path"}
    assert own <= set(found.settings) | {"output_attentions"}
    assert found.aliases == standard.attribute_map
    for name, setting in found.settings.items():
        if setting.default is not None and name in own and name != "sliding_window":
            assert getattr(standard, name) == setting.default, name


def test_it_takes_no_import_of_transformers():
    program = (
        "import sys; from mda.config import experiment, model_settings; "
        "assert model_settings.known('gpt2'); print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "set()", done.stderr


def of_model(default, architecture, settings):
    default["model"] |= {"architecture": architecture}
    default["model"]["settings"] |= settings
    return consistency.check(default)


@pytest.mark.parametrize(
    ("architecture", "settings", "words"),
    [
        ("gpt2", {}, "'intermediate_size' of gpt2; did you mean 'n_inner'? (intermediate_size: null"),
        ("gpt_neox", {"hidden_sise": 3}, "'hidden_sise' of gpt_neox; did you mean 'hidden_size'?"),
        ("gpt_neox", {"initializer_range": "1e-3"}, "'initializer_range' is '1e-3', but of gpt_neox it is"),
        ("gpt_neox", {"hidden_size": 64.0}, "'hidden_size' is 64.0, but of gpt_neox it is a whole number"),
        ("gpt_neox", {"hidden_size": True}, "'hidden_size' is True, but of gpt_neox it is a whole number"),
        ("gpt_neox", {"num_hidden_layers": -1}, "'num_hidden_layers' is -1, but must be at least 1"),
        ("gpt_neox", {"num_attention_heads": 0}, "'num_attention_heads' is 0, but must be at least 1"),
        ("gpt_neox", {"initializer_range": float("nan")}, "is nan, which is no finite number"),
        ("gpt_neox", {"use_parallel_residual": "yes"}, "but of gpt_neox it is true or false"),
        ("gpt_neox", {"hidden_dropout": 0.1}, "'hidden_dropout' is 0.1, but runs can only be"),
        ("gpt_neox", {"max_position_embeddings": 16}, "tokens.context is 32, but model.settings.max_pos"),
        ("llama", {"num_key_value_heads": 3}, "2 attention heads cannot share 3 of keys and values evenly"),
        (
            "gpt2", {"intermediate_size": None, "n_embd": 64},
            "'hidden_size' and 'n_embd' are the same setting of gpt2; take one away with null",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_model_is_told_with_the_configuration(default, architecture, settings, words):
    with pytest.raises(UserError) as caught:
        of_model(default, architecture, settings)
    assert "model.settings" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("L3H0", "layers 0 to 2 with heads 0 to 3"),
        ("L0H4", "heads 0 to 3"),
        ("induction 13", "13 of 12 heads"),
    ],
)
def test_units_are_held_against_names_of_gpt2_too(default, unit, words):
    settings = {"n_embd": 64, "n_layer": 3, "n_head": 4}
    taken = dict.fromkeys(default["model"]["settings"])
    assert of_model(default, "gpt2", {**taken, **settings}).model.settings == settings
    default["targets"][0]["units"] = [unit]
    with pytest.raises(UserError, match=words):
        consistency.check(default)


def test_neurons_of_gpt2_are_four_times_its_width():
    assert model_settings.shape("gpt2", {"n_embd": 8}).neurons == 32
    assert model_settings.shape("gpt2", {"n_embd": 8, "n_inner": 5}).neurons == 5
    assert model_settings.shape("gpt_neox", {}).layers == 44


def test_null_takes_away_but_where_it_is_a_value():
    """Mistral without a sliding window has null there."""
    assert model_settings.checked("mistral", {"sliding_window": None, "hidden_size": None}) == {
        "sliding_window": None
    }
    assert model_settings.checked("gpt_neox", {"initializer_range": 1}) == {"initializer_range": 1.0}


def test_a_checkpoint_of_this_machine_is_looked_into(override, tmp_path):
    def told(text):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UserError) as caught:
            consistency.check(override("model.checkpoint", str(tmp_path)))
        return str(caught.value)

    with pytest.raises(UserError, match=r"has no config\.json; name a folder in Hugging Face format"):
        consistency.check(override("model.checkpoint", str(tmp_path)))
    assert "its config.json does not say what model it is" in told("[]")
    assert "is of architecture 'bert', which is not supported" in told('{"model_type": "bert"}')
    save_file({"a.weight": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    assert "lets the model read 8 tokens" in told('{"model_type": "gpt2", "n_positions": 8}')
    assert "asks for rank 1" not in told('{"model_type": "gpt2", "n_positions": 8, "n_layer": 1}')
