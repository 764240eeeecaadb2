"""What `make bench` measures is what it says: counted operations, and equal scores of both ways."""

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import benchmark
from bench import passes, retraining, scale, shapes, timing
from bench.passes import Scored
from bench.shapes import SHAPES, Setting


@pytest.fixture
def setting(monkeypatch):
    """A shape that takes no time."""
    monkeypatch.setitem(SHAPES, "tiny", shapes.Shape(2, 16, 2))
    return Setting("tiny", 16, 6)


def test_ratios_are_of_the_same_turn():
    slow, fast = timing.Spread((2.0, 20.0, 4.0)), timing.Spread((1.0, 10.0, 2.0))
    assert slow.over(fast).values == (2.0, 2.0, 2.0)
    assert slow.text(1) == "4.0 [2.0, 20.0]"


def test_works_take_turns():
    done = []
    found = timing.in_turns({name: lambda name=name: done.append(name) for name in "abc"}, 2)
    assert "".join(done) == "abc" + "abc" + "bca"
    assert all(len(spread.values) == 2 for spread in found.values())


def test_operations_of_training_are_those_of_pytorchs_counter():
    setting = Setting("14m", 64, 1)
    model = setting.model()
    model.set_attn_implementation("eager")
    tokens = torch.zeros((1, setting.context + 1), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        logits = model(tokens[:, :-1]).logits
        functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    expected = setting.context * scale.training_operations(setting.size, setting.context)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("layer", [0, 3])
def test_operations_of_scoring_are_those_of_pytorchs_counter(tmp_path, layer):
    setting = Setting("14m", 64, 2)
    scored = Scored(setting, setting.store(tmp_path), [h for h in setting.heads(6) if h.layer == layer])
    scored.tracker.model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        scored.samples()
    expected = setting.tokens * scale.operations(setting.size, setting.context, layer)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.02)


def test_one_at_a_time_finds_the_same_scores(setting, tmp_path):
    store = setting.store(tmp_path)
    _, table = passes.against_one_at_a_time(setting, store, 3, 1)
    assert table.splitlines()[-1].endswith("| 1.0000 |")
    scored = Scored(setting, store, setting.heads(1))
    gradients = {}
    for direction in scored.known:
        name = str(scored.heads[direction.query])
        gradients.setdefault(name, {})[direction.block.name] = direction.weights
    plain = passes.one_at_a_time(setting.model().eval(), scored, gradients)
    for name, values in scored.score().items():
        assert values == pytest.approx(plain[name], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("section", ["throughput", "precisions", "scale", "training"])
def test_sections_print_and_keep_a_table(section, setting, tmp_path, capsys, monkeypatch):
    del setting
    monkeypatch.setattr(retraining, "INTERVALS", 1)
    options = ["--shapes", "tiny", "--context", "16", "--rows", "2", "--repetitions", "1"]
    benchmark.main([section, *options, "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / f"{section}.md").read_text() in printed
    assert "| --- |" in printed


def test_an_unknown_section_is_one_sentence(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["nonsense"])
    assert "no section 'nonsense'; choose from throughput" in capsys.readouterr().err
