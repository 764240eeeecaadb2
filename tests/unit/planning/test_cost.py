"""What an experiment takes; of overlays that state it, see tests/unit/config/test_experiment.py."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from mda.config import consistency
from mda.planning import cost
from mda.runtime.errors import UserError


def test_a_trace_reads_its_rows_once_at_each_checkpoint(default, tmp_path):
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
        settings = {"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8}
        (tmp_path / name / "config.json").write_text(json.dumps(settings))
        save_file({"a.weight": np.zeros(1, np.float32)}, tmp_path / name / "model.safetensors")
    (tmp_path / "tokenizer.json").write_text("{}")
    default["trace"] = {"checkpoints": {name: {"model": str(tmp_path / name)} for name in ("early", "late")}}
    default["tokens"]["tokenizer"] |= {"kind": "file", "path": str(tmp_path / "tokenizer.json")}
    with pytest.raises(
        UserError, match=r"trace\.rows is null, so the cost depends on the length of the corpus"
    ):
        cost.of(consistency.check(default))
    default["trace"]["rows"] = 1000
    found = cost.of(consistency.check(default))
    # Rows of 32 tokens; the curvature is fitted on 4000, in two passes.
    assert found.scored_tokens == found.tokens == 2 * (1000 + 2 * 4000) * 32
    assert found.token_bytes == 1000 * 33 * 2
    assert "stored gradients" not in cost.summary(found)
    default["attribution"]["stored_gradients"] = {"values": 5000, "checked": 100}
    default["targets"].append(
        default["targets"][0]
        | {"name": "below", "units": ["L1.residual"], "mode": "all", "metric": "probe", "probe": "induction"}
    )
    stored = cost.of(consistency.check(default))
    # A head, the attention and the MLP of two layers, and two bytes a number.
    assert stored.stored_bytes == 2 * 1000 * 5 * 5000 * 2
    assert cost.summary(stored).endswith(", stored gradients about 0.1 GB")


def test_walks_through_trainings_are_counted(default):
    vocabulary = default["tokens"]["tokenizer"]["vocabulary"]
    plain = cost.of(consistency.check(default))
    outcome = {"name": "matching", "measure": "metric", "target": "induction-1", "when": "mean"}
    default["trajectory"] = {"orders": [0, 1], "base_run": True, "outcomes": [outcome], "keep_every": None}
    walked = cost.of(consistency.check(default))
    # The window of 180 steps of 64 rows of 32 tokens: trained, its states again, and two near points.
    assert walked.walk_tokens == 3 * 4 * 180 * 64 * 32 == walked.tokens - plain.tokens
    # At most: of two layers, attention's four matrices and an MLP with a gate; and the embedding twice.
    vector = 4 * (2 * (4 * 64**2 + 3 * 64 * 256) + 2 * 64 * vocabulary)
    # All 180 updates fit the memory, so that only the first state is kept.
    assert set(walked.walk_states.values()) == {(3 * vector, 180 * 4 * vector)}
    assert ", 3 walks 0.00 G (states of each, at most: on a CPU 0.0 GB of disk" in cost.summary(walked)
    assert "walks" not in cost.summary(plain)
