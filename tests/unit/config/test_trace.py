"""Models that were trained elsewhere: the section `trace`, and what the rest of the configuration becomes."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from mda.config import consistency
from mda.hub import pins
from mda.planning import design
from mda.runtime.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Makes the folder of a checkpoint, as far as the configuration looks at it."""

    def make(name, **changes):
        place = tmp_path / name
        place.mkdir()
        settings = {
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64,
        }  # fmt: skip
        (place / "config.json").write_text(json.dumps(settings | changes))
        save_file({"a.weight": torch.zeros(1)}, place / "model.safetensors")
        return str(place)

    return make


@pytest.fixture
def traced(default, tmp_path):
    """Makes a configuration that traces some checkpoints."""
    (tmp_path / "tokenizer.json").write_text("{}")

    def make(checkpoints, **changes):
        default["trace"] = {"checkpoints": checkpoints, "jobs": 3, **changes}
        default["tokens"]["tokenizer"] |= {"kind": "file", "path": str(tmp_path / "tokenizer.json")}
        return default

    return make


def test_nothing_is_trained(traced, folder):
    config = consistency.check(traced({"early": {"model": folder("a")}, "late": {"model": folder("b")}}))
    assert design.cells(config) == design.study_cells(config) == design.subset_cells(config) == []
    assert config.shards == 3
    assert config.trace.steps == {"early": 0, "late": 1}
    # The last one, for none is named.
    assert (config.attribution.checkpoint, config.attribution.rank_at) == (1, 1)
    assert config.model.shape().layers == 3


def test_checkpoints_have_their_training_steps(traced, folder):
    checkpoints = {"early": {"model": folder("a"), "step": 500}, "late": {"model": folder("b"), "step": 900}}
    config = consistency.check(traced(checkpoints, at="early"))
    assert (config.attribution.checkpoint, config.attribution.rank_at) == (500, 900)


def test_what_is_written_down_makes_the_same_configuration(traced, folder):
    config = consistency.check(traced({"early": {"model": folder("a"), "step": 7}}, at="early"))
    again = consistency.check(config.model_dump(mode="json"))
    assert again == config


def test_folders_and_revisions_of_the_hub(traced, folder):
    checkpoints = {
        "early": {"model": "own/model", "revision": "step100"},
        "late": {"model": "own/model", "revision": "main"},
        "tuned": {"model": folder("a")},
    }
    config = consistency.check(traced(checkpoints))
    assert config.trace.revisions == ["step100", "main"]
    assert [reference[:3] for reference in pins.references(config)] == [
        ("model", "own/model", "step100"), ("model", "own/model", "main"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made.update(checkpoints={}), "'trace.checkpoints': Write at least 1"),
        (
            lambda made: made.update(checkpoints={"a": "b"}),
            r"'trace\.checkpoints\.a' is 'b': write keys with values",
        ),
        (
            lambda made: made.update(checkpoints={"A": made["checkpoints"]["a"]}),
            r"'trace\.checkpoints\.A' is 'A': a name has small letters",
        ),
        (lambda made: made["checkpoints"]["a"].update(model="no/where/here"), "is no folder here"),
        (lambda made: made["checkpoints"]["a"].update(revision="main"), "which has no 'revision'"),
        (lambda made: made["checkpoints"]["a"].update(step=4), "give it for all, or for none"),
        (lambda made: made["checkpoints"]["a"].update(steps=4), "unknown key 'steps'; did you mean 'step'"),
        (
            lambda made: [made["checkpoints"][name].update(step=step) for name, step in (("a", 9), ("b", 3))],
            "checkpoints.b has the step 3, but stands after a with 9; write them in the order",
        ),
        (
            lambda made: made["checkpoints"]["b"].update(model=f"{made['checkpoints']['a']['model']}/."),
            "checkpoints have the folder .*a twice; name it once",
        ),
        (
            lambda made: made["checkpoints"]["a"].update(
                model=f"{made['checkpoints']['a']['model']}/config.json"
            ),
            "config.json' is a file; name a folder in Hugging Face format",
        ),
        (lambda made: made.update(jobs=0), "'trace.jobs' is 0: input should be greater than or equal"),
    ],
)
def test_a_mistake_is_one_sentence(traced, folder, change, words):
    made = traced({"a": {"model": folder("a")}, "b": {"model": folder("b")}})
    change(made["trace"])
    with pytest.raises(UserError, match=words) as caught:
        consistency.check(made)
    assert "\n" not in str(caught.value)
    assert "trace" in str(caught.value)


def test_weights_are_looked_for_in_the_plan(traced, folder):
    place = Path(folder("a"))
    made = traced({"a": {"model": str(place)}})
    (place / "model.safetensors").rename(place / "model-00001-of-00002.safetensors")
    (place / "pytorch_model.bin").touch()
    with pytest.raises(UserError, match="has no weights in safetensors, and a pickle is not read"):
        consistency.check(made)
    index = place / "model.safetensors.index.json"
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index.write_text(json.dumps({"weight_map": dict(zip(["a.weight", "b.weight"], names, strict=True))}))
    with pytest.raises(UserError, match=r"lacks model-00002-of-00002.safetensors, which its .* lists; copy"):
        consistency.check(made)
    (place / names[1]).touch()
    with pytest.raises(UserError, match=r"00002-of-00002.safetensors cannot be read as safetensors \("):
        consistency.check(made)
    save_file({"c.weight": torch.zeros(1)}, place / names[1])
    with pytest.raises(UserError, match=r"lacks the tensor b\.weight, which .*index\.json lists; copy both"):
        consistency.check(made)
    save_file({"b.weight": torch.zeros(1)}, place / names[1])
    consistency.check(made)
    index.write_text("[]")
    with pytest.raises(UserError, match="does not list files of weights"):
        consistency.check(made)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (
            "model.safetensors",
            save({"a.weight": torch.zeros(1, dtype=torch.int8)}),
            "of type I8, as quantized",
        ),
        # As Pythia's.
        ("model.safetensors", save({"attention.bias": torch.zeros(1, dtype=torch.uint8)}), None),
        ("adapter_config.json", b"{}", "has an adapter .* merge it into the model's weights"),
        ("config.json", b'{"model_type": "llama", "quantization_config": {"bits": 4}}', "is quantized"),
    ],
)
@pytest.mark.parametrize("section", ["trace", "model"])
def test_weights_that_are_not_the_models_are_refused(traced, default, folder, name, content, words, section):
    place = Path(folder("a"))
    (place / name).write_bytes(content)
    made = traced({"a": {"model": str(place)}})
    if section == "model":
        del made["trace"]
        made["model"]["checkpoint"] = str(place)
        made["trace"] = None
    if words is None:
        made["targets"][0]["units"] = ["L0H0"]
    with nullcontext() if words is None else pytest.raises(UserError, match=words):
        consistency.check(made)


def test_what_does_not_fit_is_one_sentence(traced, folder, tmp_path):
    both = {"a": {"model": folder("a")}, "b": {"model": folder("b", num_hidden_layers=4)}}
    with pytest.raises(UserError, match="a and b are of models of different shapes"):
        consistency.check(traced(both))
    with pytest.raises(UserError, match=r"'trace': at is 'final', but checkpoints has only a"):
        consistency.check(traced({"a": {"model": str(tmp_path / "a")}}, at="final"))
    made = traced({"a": {"model": str(tmp_path / "a")}})
    made["attribution"]["rank_at"] = "a"
    with pytest.raises(UserError, match=r"attribution.rank_at is 'a', but a trace names .* in trace.rank_at"):
        consistency.check(made)
    made["attribution"]["rank_at"] = 1
    made = traced({"a": {"model": str(tmp_path / "a")}})
    made["targets"][0]["units"] = ["L7H0"]
    with pytest.raises(UserError, match="names L7H0, but the model has layers 0 to 2"):
        consistency.check(made)
    made["targets"][0]["units"] = ["L1H0"]
    made["tokens"]["tokenizer"]["kind"] = "word"
    with pytest.raises(UserError, match="the traced model knows the tokens of its own alone"):
        consistency.check(made)


def test_a_model_is_known_by_any_checkpoint_that_is_here(traced, folder):
    """The first is of the hub, and nothing of it is read."""
    made = traced({"first": {"model": "own/model", "revision": "step100"}, "late": {"model": folder("a")}})
    for unit, mode, words in (
        ("L7H0", "qkvo", "names L7H0, but the model has layers 0 to 2 with heads 0 to 3"),
        ("L1H4", "qk", "names L1H4, but the model has layers 0 to 2 with heads 0 to 3"),
        ("L2N64", "in-out", "names L2N64, but the model has layers 0 to 2 with neurons 0 to 63"),
        ("L3.mlp", "in-out", "names L3.mlp, but the model has layers 0 to 2"),
        ("L3.attention", "qkvo", "names L3.attention, but the model has layers 0 to 2"),
        ("induction 13", "qkvo", "asks for rank 13 of 12 heads"),
    ):
        metric = "activation" if "N" in unit else "prefix_matching" if mode != "in-out" else "probe"
        made["probes"]["neuron"] = {**made["probes"]["induction"], "measure": "activation"}
        probe = "neuron" if metric == "activation" else "induction"
        made["targets"] = [{"name": "a", "units": [unit], "probe": probe, "mode": mode, "metric": metric}]
        with pytest.raises(UserError, match=words):
            consistency.check(made)
    made["targets"][0]["units"] = ["induction 12"]
    assert consistency.check(made).shape.layers == 3


def test_an_encoder_of_another_width_is_refused(traced, folder, tmp_path):
    save_file({"W_enc": torch.zeros(16, 5), "b_enc": torch.zeros(5)}, tmp_path / "sae.safetensors")
    (tmp_path / "t.jsonl").write_text('{"text": "a b"}\n')
    made = traced({"a": {"model": folder("a")}})
    keys = {"encoder": str(tmp_path / "sae.safetensors"), "feature": 1, "path": str(tmp_path / "t.jsonl")}
    made["probes"]["mine"] = {"measure": "feature", "place": "L2.mlp", **keys}
    made["targets"][0]["probe"] = "mine"
    with pytest.raises(
        UserError, match=r"probes\.mine\.encoder reads 16 numbers a token, but the model has 32"
    ):
        consistency.check(made)


def test_ranks_are_known_in_a_trace(default, traced, folder):
    default["targets"][0] |= {"units": ["induction 1"], "probe": "previous-token", "metric": "probe"}
    consistency.check(traced({"a": {"model": folder("a")}}))


def test_only_a_trace_holds_nothing_out(default, traced, folder):
    default["corpus"]["held_out"] = 0
    with pytest.raises(UserError, match=r"corpus.held_out is 0, but runs are measured on held-out"):
        consistency.check(default)
    consistency.check(traced({"a": {"model": folder("a")}}))


def test_gradients_are_stored_of_a_trace_in_eigenvectors(traced, folder, default):
    stored = {"values": 64, "checked": 10}
    default["attribution"]["stored_gradients"] = stored
    with pytest.raises(UserError, match=r"attribution\.stored_gradients is for a trace"):
        consistency.check(default)
    config = traced({"late": {"model": folder("a")}})
    consistency.check(config)
    config["attribution"]["fit"]["strategy"] = "kfac"
    with pytest.raises(UserError, match=r"needs attribution\.fit\.strategy ekfac, .* but it is kfac"):
        consistency.check(config)
