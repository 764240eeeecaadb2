"""What `mda bench` measures is what it says: counted operations, and equal scores of both ways."""

import sys

import numpy as np
import pytest
import torch
from conftest import Store
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mda.bench import (
    device,
    gpu,
    passes,
    peaks,
    retraining,
    scale,
    sections,
    shapes,
    startup,
    storing,
    timing,
)
from mda.bench.passes import Scored
from mda.bench.shapes import SHAPES, Setting
from mda.commands import bench, program
from mda.models import compilation


@pytest.fixture
def few_words(monkeypatch):
    """Most of the time of a small model is its output layer's."""
    monkeypatch.setattr(shapes, "VOCABULARY", 512)


@pytest.fixture
def setting(few_words, monkeypatch):
    """A shape that takes no time."""
    monkeypatch.setitem(SHAPES, "tiny", shapes.Shape(2, 16, 2))
    return Setting("tiny", 16, 6)


def test_ratios_are_of_the_same_turn():
    slow, fast = timing.Spread((2.0, 20.0, 8.0)), timing.Spread((1.0, 10.0, 2.0))
    assert slow.over(fast).values == (2.0, 2.0, 4.0)
    assert slow.text(1) == "8.0 [2.0, 20.0]"


def test_works_take_turns():
    done = []
    found = timing.in_turns({name: lambda name=name: done.append(name) for name in "abc"}, 2)
    assert "".join(done) == "abc" + "abc" + "bca"
    assert all(len(spread.values) == 2 for spread in found.values())


@pytest.fixture
def counted(few_words, monkeypatch):
    """A shape of which every term of the count is a good part."""
    monkeypatch.setattr(
        "mda.bench.shapes.sequences.repeated_tokens", lambda *given: np.zeros((1, 8), np.int64)
    )
    monkeypatch.setattr(Setting, "store", lambda self, folder: Store(np.zeros((self.rows, self.context + 1))))
    return Setting("14m", 256, 2)


def test_what_storing_takes_is_measured_in_passes(setting, tmp_path):
    text = storing.against_a_pass(setting, setting.store(tmp_path), 2)
    lines = text.splitlines()[2:]
    # A head of the tiny shape has 4 x 8 x 16 weights.
    assert [line.split("|")[2].strip() for line in lines] == ["256 (0.5 of all)", "64 (0.125 of all)"]
    for line in lines:
        rate, stored, answered = (cell.split()[0] for cell in line.split("|")[3:6])
        assert float(rate.replace(",", "")) > 0
        assert float(stored) > 0
        assert float(answered) < 10


def test_operations_of_training_are_those_of_pytorchs_counter(counted):
    model = counted.model()
    model.set_attn_implementation("eager")
    tokens = torch.zeros((1, counted.context + 1), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        logits = model(tokens[:, :-1]).logits
        functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    expected = counted.context * scale.training_operations(counted.size, counted.context)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("layer", [0, 3])
def test_operations_of_scoring_are_those_of_pytorchs_counter(counted, tmp_path, layer):
    heads = [head for head in counted.heads(6) if head.layer == layer]
    scored = Scored(counted, counted.store(tmp_path), heads)
    scored.tracker.model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        scored.samples()
    expected = counted.tokens * scale.operations(counted.size, counted.context, layer)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.02)


def test_one_at_a_time_finds_the_same_scores(setting, tmp_path):
    store = setting.store(tmp_path)
    table = passes.against_one_at_a_time(setting, store, 3, 1)
    assert table.splitlines()[-1].endswith("| 1.0000 |")
    scored = Scored(setting, store, setting.heads(1))
    gradients = {}
    for direction in scored.known:
        name = str(scored.heads[direction.query])
        gradients.setdefault(name, {})[direction.block.name] = direction.weights
    plain = passes.one_at_a_time(setting.model().eval(), scored, gradients, whole=False)
    for name, values in scored.score().items():
        assert values == pytest.approx(plain[name], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("section", ["throughput", "precisions", "scale", "training"])
def test_sections_print_and_keep_a_table(section, setting, tmp_path, capsys, monkeypatch):
    del setting
    whole = retraining.measure
    monkeypatch.setattr(retraining, "measure", lambda *given: whole(*given, steps=2))
    options = ["--shapes", "tiny", "--context", "16", "--rows", "2", "--repetitions", "1"]
    program.main(["bench", section, *options, "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / f"{section}.md").read_text() in printed
    assert "| --- |" in printed


def test_memory_is_that_of_the_work_in_another_process(warm_python, tmp_path, monkeypatch):
    """Twice the rows of training hold about twice the logits."""
    monkeypatch.setattr(sys, "executable", warm_python)
    found = [peaks.measured("training", str(tmp_path), "14m", "64", str(rows), "fp32") for rows in (8, 16)]
    # Of a row: 64 x 50,304 logits, of which a loss by autograd holds three to five copies.
    logits = 8 * 64 * shapes.VOCABULARY * 4 / peaks.GIB
    assert 2 * logits < found[1] - found[0] < 6 * logits


def test_memory_by_samples_is_of_the_workflows_own_steps(warm_python, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", warm_python)
    table = peaks.by_samples(tmp_path, [10_000], 1)
    assert table.splitlines()[-1].startswith("| 10,000 | 0.")
    assert list(tmp_path.iterdir()) == []


def test_what_fails_is_said_and_the_rest_is_measured(tmp_path, monkeypatch, capsys):
    def fails(given):
        raise RuntimeError("no room")

    monkeypatch.setitem(sections.SECTIONS, "memory", ("Memory", fails))
    monkeypatch.setitem(sections.SECTIONS, "samples", ("Samples", lambda given: "some table\n"))
    assert program.main(["bench", "memory", "samples", "--folder", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "Not measured: no room" in printed
    assert "some table" in printed


def test_an_unknown_section_is_one_sentence(capsys):
    assert program.main(["bench", "nonsense"]) == 1
    assert "no section 'nonsense'; choose from throughput" in capsys.readouterr().err


def test_a_part_on_a_gpu_that_takes_too_long_leaves_what_it_printed(tmp_path, monkeypatch, capsys):
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\necho '| measured |'\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    monkeypatch.setitem(gpu.LIMITS, "small", 1)
    text = gpu.part("small", tmp_path)
    assert text.startswith("| measured |\nNot all of small was measured: status -9, 1 s at most.")
    assert "| measured |" in capsys.readouterr().out


def test_what_fails_on_a_gpu_is_told(capsys):
    with device.guarded("a loop"):
        raise RuntimeError("out of memory\nmore")
    assert capsys.readouterr().out == "| a loop: not measured: RuntimeError: out of memory |\n"


@pytest.mark.usefixtures("few_words")
def test_trainings_on_a_gpu_are_measured_without_one_too(tmp_path, capsys, monkeypatch):
    """The same code on shapes that mean nothing; what is compiled is run by PyTorch."""
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")
    monkeypatch.setitem(SHAPES, "tiny", shapes.Shape(2, 32, 2))
    assert gpu.main(["train-14m", str(tmp_path), "--tiny"]) == 0
    printed = capsys.readouterr().out
    assert "not measured" not in printed
    assert len(printed.splitlines()) == 8


def test_a_part_starts_from_any_folder(tmp_path, monkeypatch, warm_python):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", warm_python)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # Two threads beside other tests wait for each other.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setitem(gpu.LIMITS, "small", 200)
    printed = gpu.part("small", tmp_path, tiny=True)
    assert "not measured" not in printed
    assert len(printed.splitlines()) == 3


@pytest.mark.rare
def test_large_models_on_a_gpu_are_measured_without_one_too(tmp_path, capsys):
    assert gpu.main(["large-1b", str(tmp_path), "--tiny"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_every_section_is_explained():
    assert list(bench.SECTIONS) == list(sections.SECTIONS)


def test_an_unknown_shape_is_one_sentence(capsys):
    assert program.main(["bench", "throughput", "--shapes", "14b"]) == 1
    assert "--shapes: no shape '14b'; choose from" in capsys.readouterr().err


def test_start_up_is_measured_of_every_step(tmp_path, monkeypatch):
    """Of steps that import nothing but a torch that is empty."""
    assert (startup.WORKFLOW / "mda" / "steps").is_dir()
    steps = tmp_path / "mda" / "steps" / "some"
    steps.mkdir(parents=True)
    (tmp_path / "torch.py").touch()
    (steps / "model.py").write_text("import torch")
    for name in ("table", "figure"):
        (steps / f"{name}.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(startup, "WORKFLOW", tmp_path)
    monkeypatch.setattr(startup.fingerprints, "steps", lambda: ["some.figure", "some.model", "some.table"])
    table = startup.steps(1)
    assert "| with torch | 1 |" in table
    assert "| some.model |" in table
    assert "| without | 2 |" in table
