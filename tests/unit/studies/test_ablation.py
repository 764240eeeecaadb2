"""What a target's units carry of the loss: the arithmetic, and the step on a model whose heads are known."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_model
from scipy import stats
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM

from mda.config import sections, study_sections
from mda.evidence import finding
from mda.runtime import files, parquet
from mda.steps.studies import ablation as step
from mda.studies import figures
from mda.studies.ablation import finding as findings
from mda.studies.ablation import table

GENERATOR = np.random.default_rng(0)


def test_the_mean_of_rows_that_are_documents_is_a_t_interval():
    sums = GENERATOR.normal(3, 1, 12)
    found = table.mean_per_token(sums, np.full(12, 5), np.arange(12), 0.9)
    expected = stats.ttest_1samp(sums / 5, 0).confidence_interval(0.9)
    assert found.value == pytest.approx(sums.mean() / 5)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_rows_of_one_document_count_as_one():
    """Documents of many lengths, whose rows are alike: the interval holds the mean as often as it says."""
    hits, narrow = [], []
    for _ in range(400):
        lengths = GENERATOR.integers(1, 9, 30)
        cluster = np.repeat(np.arange(30), lengths)
        values = np.repeat(GENERATOR.normal(1, 1, 30), lengths) + GENERATOR.normal(0, 0.3, len(cluster))
        tokens = np.full(len(cluster), 4)
        for kept, of in ((hits, cluster), (narrow, np.arange(len(cluster)))):
            found = table.mean_per_token(4 * values, tokens, of, 0.95)
            kept.append(found.low < 1 < found.high)
    assert 0.9 < np.mean(hits) < 0.98
    assert np.mean(narrow) < 0.8


def test_a_line_is_what_the_losses_say():
    counted = GENERATOR.random((6, 5)) < 0.5
    text = table.Text(counted, np.array([0, 0, 1, 2, 2, 3]))
    whole, without, *controls = GENERATOR.random((4, 6, 5))
    found = table.line(text, whole, without, controls, 0.95)
    means = [losses[counted].mean() for losses in (whole, without, *controls)]
    assert found["tokens"] == counted.sum()
    assert found["documents"] == 4
    assert found["loss"] == pytest.approx(means[0])
    assert found["carried"] == pytest.approx(means[1] - means[0])
    assert (found["others_least"], found["others_most"]) == pytest.approx(
        (min(means[2:]) - means[0], max(means[2:]) - means[0])
    )
    assert found["beyond_others"] == pytest.approx(means[1] - np.mean(means[2:]))
    assert found["beyond_others_low"] < found["beyond_others"] < found["beyond_others_high"]
    alone = table.line(text, whole, without, [], 0.95)
    assert alone["draws"] == 0
    assert np.isnan([alone["others"], alone["beyond_others"], alone["beyond_others_low"]]).all()
    nothing = table.line(table.Text(np.zeros((6, 5), bool), text.cluster), whole, without, controls, 0.95)
    assert np.isnan([nothing["loss"], nothing["carried"], nothing["others"], nothing["beyond_others"]]).all()


def study(tmp_path, units):
    """The study's table, of a model of two layers of two heads, of which L1H0 writes nothing."""
    model = tiny_model()
    with torch.no_grad():
        model.gpt_neox.layers[1].attention.dense.weight[:, :8] = 0
    model.save_pretrained(tmp_path / "checkpoints" / "step-000007")
    words = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, 20)}}
    reader = Tokenizer(models.WordLevel(words, unk_token="<|endoftext|>"))
    reader.save(str(tmp_path / "tokenizer"))
    rows = GENERATOR.integers(1, 20, (9, 13)).astype(np.uint16)
    # The last two tokens of this row are the first two again, and no other pair comes twice.
    rows[0] = [*range(1, 12), 1, 2]
    files.write_array(tmp_path / "held_out.npy", rows)
    documents = [[0], [0, 1], [1], [2], [3, 4, 5], [6], [6], [7], [8]]
    parquet.write_table(tmp_path / "rows", {"row": np.arange(9), "documents": documents})
    files.write_json(tmp_path / "targets", {"targets": {name: {"units": own} for name, own in units.items()}})
    settings = {"seed": 1, "sequences": 5, "length": 6, "held_out_rows": 8, "text": None}
    step.make(
        tmp_path / "checkpoints", tmp_path / "tokenizer", tmp_path / "held_out.npy", tmp_path / "rows",
        [tmp_path / "targets"], [7], "eager",
        sections.Metrics(**settings, icl=sections.ICL(early=1, late=8)),
        study_sections.Ablation(checkpoints=None, draws=8, seed=0), 0.95, tmp_path / "out",
    )  # fmt: skip
    return pd.read_csv(tmp_path / "out").set_index(["target", "text"])


@pytest.fixture
def found(tmp_path):
    units = {"nothing": ["L1H0"], "something": ["L0H1"], "attention": ["L0.attention"]}
    units |= {"layers": ["L0.attention", "L0.mlp"], "neuron": ["L0N0"]}
    lines = study(tmp_path, units)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoints" / "step-000007").eval()
    return model, np.load(tmp_path / "held_out.npy"), lines


def test_a_head_that_writes_nothing_carries_nothing(found):
    model, rows, lines = found
    assert (lines.loc["nothing", "carried"] == 0).all()
    assert (lines.loc["something", "carried"].abs() > 1e-3).all()
    # Of two heads a layer there is one other; of whole attentions none.
    assert (lines.loc["nothing", "draws"] == 1).all()
    assert (lines.loc[["attention", "layers"], "draws"] == 0).all()
    assert (lines.loc["neuron", "draws"] == 8).all()
    assert lines["kind"].groupby("target").first().to_dict() == {
        "nothing": "heads", "something": "heads", "attention": "whole layers", "layers": "several kinds",
        "neuron": "neurons",
    }  # fmt: skip
    held_out = torch.from_numpy(rows[:8].astype(np.int64))
    with torch.no_grad():
        losses = -model(held_out[:, :-1]).logits.log_softmax(-1).gather(-1, held_out[:, 1:, None])[..., 0]
    line = lines.loc[("something", "held_out")]
    assert line["loss"] == pytest.approx(float(losses.mean()), abs=1e-5)
    assert (line["rows"], line["documents"], line["tokens"]) == (8, 6, 96)


def test_repeats_are_pairs_of_tokens_that_come_again_and_the_second_half(found):
    model, rows, lines = found
    held_out = rows[:8].tolist()
    pairs = [list(itertools.pairwise(row)) for row in held_out]
    again = [[pair in own[:place] for place, pair in enumerate(own)] for own in pairs]
    line = lines.loc[("something", "held_out_repeated")]
    assert again[0] == [False] * 11 + [True]
    assert line["tokens"] == np.sum(again)
    with torch.no_grad():
        logits = model(torch.tensor(held_out)[:, :-1]).logits.log_softmax(-1)
    losses = -logits.gather(-1, torch.tensor(held_out)[:, 1:, None])[..., 0].numpy()
    assert line["loss"] == pytest.approx(losses[np.array(again)].mean(), abs=1e-5)
    # Five sequences, whose second half can be known but for its first token.
    random = lines.loc[("something", "random_repeated")]
    assert (random["rows"], random["documents"], random["tokens"]) == (5, 5, 5 * 5)


def measured(beyond, error, most, carried=0.5, draws=8, kind="heads"):
    line = {
        "target": "unit", "text": "random_repeated", "kind": kind, "loss": 1.0, "carried": carried,
        "documents": 9, "draws": draws, "others_least": -0.1, "others_most": most, "beyond_others": beyond,
        "beyond_others_low": beyond - error, "beyond_others_high": beyond + error,
    }  # fmt: skip
    lines = pd.DataFrame([{**line, "step": 450}, {**line, "step": 200, "beyond_others_low": 9.0}])
    settings = finding.Settings(0.1, 0.95, 10, "evidence", False)
    return findings.carries("random_repeated")({"ablation": lines}, "unit", settings)


def judged(*ends, **options):
    return finding.verdict(findings.FINDINGS[0], measured(*ends, **options), True)


def test_a_unit_carries_loss_if_it_is_told_from_others_and_from_each_of_them():
    assert judged(0.4, 0.1, most=0.2) == finding.YES
    assert judged(-0.3, 0.2, most=0.9) == finding.NO
    # The interval has both signs, whether or not one of the others carries as much.
    assert judged(0.1, 0.2, most=0.2) == finding.INCONCLUSIVE
    assert judged(-0.1, 0.2, most=0.7) == finding.INCONCLUSIVE
    # One of the others carries as much.
    assert judged(0.4, 0.1, most=0.6) == finding.NO
    assert measured(0.4, 0.1, most=0.6).note.endswith("; one of these sets adds as much")
    assert "as much" not in measured(-0.3, 0.2, most=0.9).note
    assert judged(np.nan, np.nan, most=np.nan, draws=0) == finding.CANNOT_TELL
    assert judged(0.4, np.nan, most=0.2) == finding.INCONCLUSIVE


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("heads", "its layers have too few other heads that are of no target"),
        ("neurons", "its layers have too few other neurons that are of no target"),
        ("whole layers", "a layer has one attention and one MLP, so there is no other to compare with"),
        ("several kinds", "attentions and MLPs together are not compared with others"),
    ],
)
def test_it_says_why_there_is_nothing_to_compare_with(kind, why):
    found = measured(np.nan, np.nan, most=np.nan, draws=0, kind=kind)
    assert found.note == f"at step 450, zeroed, they add 0.5 nats to 1; {why}"


def test_heads_of_other_targets_are_no_controls(tmp_path):
    """Both heads of a layer are targets: neither can be compared with the other."""
    lines = study(tmp_path, {"one": ["L1H0"], "other": ["L1H1"], "alone": ["L0H1"]})
    assert (lines.loc[["one", "other"], "draws"] == 0).all()
    assert (lines.loc["alone", "draws"] == 1).all()


def test_only_what_has_others_has_squares_and_the_legend_names_them(found):
    lines = found[2].reset_index()
    figure = figures.draw("ablation", lines, dict.fromkeys(("influence", "random"), "#333333"))
    squares = [line for line in figure.axes[0].lines if line.get_marker() == "s" and len(line.get_xdata())]
    assert len(squares) == len({"nothing", "something", "neuron"})
    [legend] = figure.legends
    named = ["the units of the target", "as many other units of its layers"]
    assert [text.get_text() for text in legend.get_texts()] == named
    alone = lines[lines["target"] == "attention"]
    [legend] = figures.draw("ablation", alone, dict.fromkeys(("influence", "random"), "#333333")).legends
    assert [text.get_text() for text in legend.get_texts()] == named[:1]
