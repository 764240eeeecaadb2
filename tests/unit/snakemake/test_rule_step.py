"""The command line of a rule, made from the arguments of its step."""

import shlex

import pytest
from snakemake.iocontainers import Namedlist, Wildcards
from snakemake.utils import format as filled_in

from mda.runtime import fingerprints, provenance
from mda.snakemake.rule_step import ON_GPU, TRAINING, Step

ODD = ["a b", "it's", 'say "x"', "$HOME", "{brace}", "a;b", "*", "--out"]


def words(text, **parts):
    """The words that a shell reads of a command when Snakemake has filled it in."""
    found = {name: Namedlist(fromdict=parts.get(name, {})) for name in ("input", "output", "params")}
    wildcards = Wildcards(fromdict=parts.get("wildcards", {}))
    resources = Namedlist(fromdict={"gpu": 1, "save_seconds": 60})
    line = filled_in(text, log="the log", resources=resources, wildcards=wildcards, **found)
    return shlex.split(line.replace("\\\n", " "))


@pytest.mark.parametrize("odd", ODD)
def test_every_value_reaches_the_step_as_it_is(odd):
    text = Step("report.plot_labels").command(target="{wildcards.target:q}")
    found = words(
        text,
        input={"schedule": odd, "train_rows": "rows", "selections": [odd, "b"]},
        params={"names": f'["{odd}"]', "window": "{}", "dpi": 200},
        output={"out": ["x.png", odd], "table": "x.csv"},
        wildcards={"target": odd},
    )
    assert found[:3] == ["python", "-m", "mda.steps.report.plot_labels"]
    assert found[-2:] == [">the log", "2>&1"]
    given = {
        "--schedule": [odd],
        "--train-rows": ["rows"],
        "--selections": [odd, "b"],
        "--names": [f'["{odd}"]'],
        "--window": ["{}"],
        "--target": [odd],
        "--dpi": ["200"],
        "--out": ["x.png", odd],
        "--out-table": ["x.csv"],
    }
    assert found[3:-2] == [word for name, values in given.items() for word in (name, *values)]


def test_the_arguments_are_what_results_say_of_themselves():
    text = Step("models.targets").command(out="{output.targets:q}")
    parts = {
        "input": {"scores": "no such table"},
        "params": {"targets": '{"a b": ["L0H0"]}', "rank_at": 4},
        "output": {"targets": "a.json", "ranking": "b.csv"},
    }
    found = provenance.would_be(shlex.join(words(text, **parts)))
    assert found["step"] == "models.targets"
    assert found["inputs"] == {"scores": None}
    assert found["parameters"] == {"targets": {"a b": ["L0H0"]}, "rank_at": 4}


def test_an_only_output_needs_no_name():
    assert "--out {output:q} \\\n" in Step("training.order").command()
    text = Step("models.targets").command(out="{output.targets:q}")
    assert "--out {output.targets:q} \\\n    --out-ranking {output.ranking:q} \\\n" in text


def test_a_training_takes_the_place_of_the_shell_and_saves_as_the_site_says():
    found = words(
        Step("training.order").command(TRAINING),
        input={"train": "x"},
        params={"steps": 1, "batch_size": 1, "seed": 0},
        output={"out": "y"},
    )
    assert found[:6] == ["exec", "python", "-m", "mda.steps.launch", "1", "mda.steps.training.order"]
    assert Step("training.order").command(ON_GPU).startswith("python -m mda.steps.launch {resources.gpu} ")
    assert "--save-seconds {resources.save_seconds:q}" in Step("training.retrain").command()
    assert "--resume {params.resume:q}" in Step("training.retrain").command()


def test_what_is_checked_first_begins_the_log():
    first, second = Step("config.merged_configuration").command(check_first=True).split("\n", 1)
    assert first == "python -m mda.attribution.checks >{log:q} 2>&1"
    assert second.endswith(" >>{log:q} 2>&1")


def test_an_argument_that_the_step_has_not_is_an_error():
    with pytest.raises(ValueError, match=r"training\.order has no argument rate"):
        Step("training.order").command(rate="{params.rate:q}")


def test_the_code_counts_with_the_users_own(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("x = 1\n")
    step = Step("attribution.scores", (str(own),))
    before = step.code(None)
    assert before != Step("attribution.scores").code(None) == fingerprints.fingerprint("attribution.scores")
    fingerprints._digest.cache_clear()
    own.write_text("x = 2\n")
    assert step.code(None) != before
