"""The configuration: nothing drifts, and every mistake is one clear sentence."""

import re
from pathlib import Path

import pytest
from project import ROOT
from pydantic import BaseModel
from unit.config.test_trajectory_section import WALK

from mda.config import consistency, experiment
from mda.planning import design
from mda.planning.cell import Cell
from mda.runtime.errors import UserError


def keys_of(section, place=""):
    """Every dotted key of a section of the schema that has no default, down to leaves."""
    for key, field in section.model_fields.items():
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        models = [part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)]
        if not field.is_required():
            continue
        yield f"{place}{key}"
        for model in models:
            yield from keys_of(model, f"{place}{key}.")


def test_config_yaml_and_the_schema_name_the_same_keys(default):
    given = set()

    def walk(value, place):
        for key, inner in value.items():
            given.add(f"{place}{key}")
            for part in inner if isinstance(inner, list) else [inner]:
                if isinstance(part, dict):
                    walk(part, f"{place}{key}.")

    walk(default, "")
    # Sections that are empty by default, and dictionaries whose keys are the user's.
    empty = (
        "trace.",
        "corpus.files.",
        "corpus.table.",
        "corpus.huggingface.",
        "corpus.tokenized.",
        "metrics.text.",
    )
    empty += ("studies.validity.", "studies.linearity.", "studies.contrasts.", "trace.", "trajectory.")
    empty += ("attribution.stored_gradients.", "studies.sanity.")
    free = ("model.settings.", "probes.")
    wanted = {key for key in keys_of(experiment.Config) if not key.startswith((*empty, *free))}
    assert {key for key in given if not key.startswith(free)} == wanted


FILES = {
    "root": "tests", "patterns": [{"label": "a", "glob": "*"}], "exclude": [], "undecodable": "skip",
    "max_characters": 9,
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("runn", {}, "unknown key 'runn'; did you mean 'run'?"),
        ("run.step", 3, "'run': unknown key 'step'; did you mean 'steps'?"),
        ("run.steps", "many", "'run.steps' is 'many': input should be a valid integer"),
        ("tokens", 3, "'tokens' is 3: write keys with values, such as {key: value}"),
        ("selection.fractions", [0.1, 1.0], "'selection.fractions[1]' is 1.0: input should be less than 1"),
        ("selection.fractions", [0.0], "'selection.fractions[0]' is 0.0: input should be greater than 0"),
        ("targets.0.units", ["L2H0"], "names L2H0, but the model has layers 0 to 1 with heads 0 to 1"),
        ("targets.0.units", ["induction 9"], "asks for rank 9 of 4 heads"),
        ("targets.0.units", ["head 3"], "'head 3' names no unit; write a head's place such as L1H0"),
        ("targets.0.probe", "copying", "is 'copying', but probes has only induction, previous-token"),
        ("run.window.stop", 900, "run.window is 60 to 900, but must lie inside the run"),
        ("run.window.start", 240, "run.window is 240 to 240, but must lie inside the run"),
        ("run.checkpoints", [0, 120, 240, 500], "names step 500, but run.steps is 240"),
        ("attribution.checkpoint", 7, "attribution.checkpoint is 7, but run.checkpoints keeps only"),
        ("attribution.fit.strategy", "fisher", "is 'fisher': input should be 'identity', 'diagonal'"),
        ("attribution.fit.samples", 10**6, "exceeds the 15360 samples of the run"),
        ("corpus.source", "files", "source is 'files', but the section 'files' is empty"),
        ("corpus.synthetic.documents", 100, "raise corpus.synthetic.documents or lower run.steps"),
        ("corpus.synthetic.sources.0.share", 0.9, "sum to 1.4, but must sum to 1"),
        ("probes.induction.length", 40, "has sequences of 80 tokens, but tokens.context is 32"),
        (
            "probes.induction.measure",
            "copy",
            "neither one of induction, previous_token, activation, prompts, rows, feature nor 'file.py",
        ),
        ("probes.induction.measure", "gone.py:f", "names the file gone.py, which does not exist"),
        ("metrics.length", 17, "metrics.length 17 is shown twice and exceeds tokens.context 32"),
        ("metrics.icl.late", 32, "early <= late < tokens.context (32)"),
        ("experiments.interventions.0.selections", ["influence"], "'replace' has no 'random' selection"),
        ("experiments.interventions.0.kind", "mask", "names 'mask' twice"),
        (
            "experiments.augmentation.at_step",
            10,
            "at_step 10 lies outside the steps that branches run (60 to 239)",
        ),
        ("run.optimizer.schedule", "cosine", "'cosine' needs decay_steps above warmup_steps"),
        ("tokens.tokenizer.kind", "file", "kind 'file' needs 'path'"),
        ("tokens.tokenizer.kind", "bpe", "vocabulary 64 is too small for a byte-level BPE"),
        ("model.architecture", "bert", "'model.architecture' is 'bert': input should be 'gpt_neox'"),
        ("model.settings.num_attention_heads", 3, "width 64 is no multiple of 3 attention heads"),
        ("experiments.seeds", [0, 1, 0], "'experiments.seeds': names 0 twice"),
        ("selection.fractions", [0.1, 0.1], "'selection.fractions': names 0.1 twice"),
        ("targets.0.units", ["L1H0", "L1H0"], "'targets[0].units': names 'L1H0' twice"),
        ("run.optimizer.betas", [0.9, 1.0], "betas[1]' is 1.0: input should be less than 1"),
        ("figures.palette.random", "blue", "'figures.palette.random' is 'blue': string should match"),
        (
            "figures.palette.randon",
            "#000000",
            "'figures.palette': unknown key 'randon'; did you mean 'random'?",
        ),
        ("studies.datamodel.share", 0.3, "studies.datamodel.share is 0.3; give 0.5 to 0.95"),
        ("studies.curvature.strategies", ["ekfac"], "input should be 'identity', 'diagonal' or 'kfac'"),
        (
            "studies.contrasts",
            {
                "experiments": ["a", "b"],
                "planned": [{"kind": "mask", "control": "influence", "outcome": "sum_area"}],
            },
            "control 'influence' is what is contrasted; name another way to select",
        ),
        (
            "studies.contrasts",
            {
                "experiments": ["a", "b"],
                "planned": [{"kind": "mask", "control": "loss", "outcome": "icl_area"}] * 2,
            },
            "'planned' names mask, loss, icl_area twice",
        ),
        ("studies.replications", ["a", "all"], "studies.replications names 'all', which stands for all"),
        ("studies.specificity.kind", "duplicate", "input should be 'mask' or 'replace'"),
        ("run.window.branch", 70, "run.window.branch 70 lies after its start 60"),
        ("model.published", {4: "step4"}, "names 'step4' for step 4, which is no folder of a checkpoint"),
        (
            "model.checkpoint",
            "nowhere",
            "checkpoint 'nowhere' is no folder here; for a repository on the hub",
        ),
        (
            "experiments.augmentation.motifs",
            {"loss": "x.json"},
            "motifs names 'loss', but the selections that 'augment' uses are influence-induction-1, random",
        ),
        (
            "experiments.augmentation.motifs",
            {"random": "x.json"},
            "motifs.random names the file x.json, which does not exist; run the experiment that makes it",
        ),
        ("targets.0.units", ["L0N1", "L0H1"], "'units' has heads and neurons; make a target of each"),
        ("targets.0.units", ["L0N1"], "mode 'qkvo' does not fit neurons, which have mode in-out"),
        ("targets.0.heads", ["L1H0"], "'targets[0]': unknown key 'heads'; it is 'units' now"),
        ("probes.induction.measure", "activation", "measure 'activation' of its probe is not one of heads"),
        (
            "metrics.text",
            {"repository": ".", "revision": None, "file": "no.parquet", "column": "text"},
            "'metrics.text': file names no.parquet, which does not exist",
        ),
        (
            "metrics.text",
            {"repository": "a/b", "revision": None, "file": "no.parquet", "column": "text"},
            "repository 'a/b' is no folder here; one of the hub needs 'revision'",
        ),
        ("targets.0.mode", "in-out", "mode 'in-out' does not fit heads"),
        (
            "targets.0.metric",
            "activation",
            "does not fit heads, which have mode qk or qkvo and metric prefix",
        ),
        (
            "targets.0.units",
            ["L0.mlp"],
            "mode 'qkvo' does not fit whole MLPs, which have mode in-out and metric",
        ),
        (
            "targets.0.units",
            ["L0.residual"],
            "mode 'qkvo' does not fit attentions with MLPs, which have mode all",
        ),
        ("targets.0.units", ["L0.mlp", "L0H1"], "'units' has heads and mlps; make a target of each"),
        ("targets.0.units", ["L2.attention"], "names L2.attention, but the model has layers 0 to 1"),
        ("targets.0.units", ["induction >"], "'induction >' names no unit"),
        ("probes.induction.length", None, "measure 'induction' needs 'length'"),
        ("probes.induction.path", "x", "measure 'induction' does not read 'path'"),
        (
            "probes.induction",
            {"measure": "prompts", "path": "x.jsonl"},
            "names the file x.jsonl, which does not",
        ),
        (
            "probes.induction",
            {"measure": "rows", "path": "x"},
            "measure 'rows' needs 'positions'; it has path",
        ),
        ("numerics.training", "fp16", "'numerics.training' is 'fp16': input should be 'fp32' or 'bf16'"),
        ("experiment", "tables", "experiment 'tables' is a folder of results; choose another name"),
        ("experiment", 1, "'experiment' is 1: input should be a valid string"),
        ("targets", None, "'targets' is None: write a list, such as [a, b]"),
        ("targets", "L0H0", "'targets' is 'L0H0': write a list"),
        ("corpus", 3, "'corpus' is 3: write keys with values"),
        ("pathvars", {"results": "elsewhere"}, "unknown key 'pathvars'"),
        ("evidence.threshold", float("nan"), "'evidence.threshold' is nan: input should be a finite number"),
        ("run.optimizer.learning_rate", float("inf"), "is inf: input should be a finite number"),
        (
            "attribution.damping",
            float("inf"),
            "'attribution.damping' is inf: input should be a finite number",
        ),
        ("studies.curvature.dampings", [float("inf")], "input should be a finite number"),
        ("run.steps", -3, "'run.steps' is -3: input should be greater than or equal to 1"),
        ("run.steps", True, "'run.steps' is True: true and false are no value of it"),
        ("experiments.seeds", [True], "'experiments.seeds': true and false are no value of it"),
        ("model.seed", 10**30, "input should be less than or equal to 9007199254740992"),
        ("attribution.fit.samples_per_part", 0, "input should be greater than or equal to 1"),
        ("experiments.seeds", "0123", "'experiments.seeds' is '0123': write a list, such as [a, b]"),
        ("corpus.files", FILES | {"root": ""}, "'corpus.files.root' is '': string should have at least 1"),
        (
            "corpus.files",
            FILES | {"patterns": [{"label": "a", "glob": "/etc/*"}]},
            "non-relative patterns are",
        ),
        (
            "corpus.files",
            FILES | {"patterns": [{"label": "a", "glob": "a**"}]},
            "write one below the root, such",
        ),
        (
            "corpus.files",
            FILES | {"patterns": [{"label": "a", "glob": "."}]},
            "it names no file; write one below the root",
        ),
        (
            "corpus.files",
            {"root": "~/text"},
            "'corpus.files.root' is '~/text', but ~ is not filled in; write",
        ),
        (
            "model.checkpoint",
            "https://hub.org/a/b",
            "'model.checkpoint' is the address https://hub.org/a/b; name",
        ),
        ("model.checkpoint", "a" * 5000, "cannot be looked at (File name too long); mend the path"),
        ("experiment", "Mine_1", "is 'Mine_1': a name has small letters a to z, digits, and single hyphens"),
        ("experiment", "a" * 101, "a name has at most 100 characters"),
        ("targets.0.units", ["L1H0", "L01H0"], "'L01H0' names no unit"),
        ("targets.0.units", ["L1H0\n"], "names no unit"),
        ("targets.0.units", ["L1H\u0661"], "names no unit"),
        ("targets.0.units", ["L1H" + "9" * 5000], "names no unit"),
        ("zzz", 1, "unknown key 'zzz'; known are experiment, corpus, tokens"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(override, place, value, words):
    with pytest.raises(UserError) as caught:
        consistency.check(override(place, value))
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert re.search(r"\.$", message)


def test_a_selection_of_ones_own_needs_a_file(override, tmp_path):
    path = tmp_path / "own.csv"
    config = override("selection.own", str(path))
    with pytest.raises(UserError, match=r"selection\.own is .*own\.csv, but there is no such file"):
        consistency.check(config)
    config["selection"]["own"] = None
    config["experiments"]["interventions"][0]["selections"] = ["influence", "random", "own"]
    with pytest.raises(UserError, match=r"selected by own, but selection\.own names no file"):
        consistency.check(config)
    config["experiments"]["interventions"][0]["selections"] = ["influence", "random"]
    config["trajectory"] = WALK
    config["studies"]["linearity"] = {"selections": ["own"], "fractions": [0.1]}
    with pytest.raises(UserError, match=r"selected by own, but selection\.own names no file"):
        consistency.check(config)
    path.touch()
    config["selection"]["own"] = str(path)
    config["experiments"]["interventions"][0]["selections"] = ["influence", "random", "own"]
    assert Cell("replace", "own", 0.1, 3) in design.cells(consistency.check(config))


def test_a_plan_of_a_million_jobs_is_refused(override):
    config_ = override("attribution.samples_per_shard", 1)
    config_["corpus"]["synthetic"]["documents"] = 10**9
    config_["run"]["steps"] = 10**5
    with pytest.raises(
        UserError, match=r"attribution\.samples_per_shard makes 6,400,000 jobs, more than the"
    ):
        consistency.check(config_)


def test_null_takes_away_a_key_of_the_users(override):
    """Where an overlay is merged with a mapping whose keys are free; all others are fixed."""
    default = override("probes.previous-token", None)
    default["studies"]["specificity"] = None
    assert list(consistency.check(default).probes) == ["induction"]
    assert consistency.check(override("model.settings.initializer_range", None)).model.settings.keys() == {
        "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    }  # fmt: skip
    assert consistency.check(override("model.published", {4: None})).model.published == {}
    assert consistency.check(override("experiments.augmentation.motifs", {"random": None}))
    assert consistency.check(override("model.settings", None)).model.settings == {}


def test_a_probe_that_is_no_python_is_found_before_any_job(override, tmp_path):
    path = tmp_path / "probe.py"
    path.write_text("def f(:\n")
    with pytest.raises(UserError, match=r"probe\.py is not valid Python \(invalid syntax"):
        consistency.check(override("probes.induction.measure", f"{path}:f"))


def test_a_helper_that_is_no_python_is_found_before_any_job(override, tmp_path):
    (tmp_path / "probe.py").write_text("import helper\n")
    (tmp_path / "helper.py").write_text("def f(:\n")
    with pytest.raises(UserError, match=r"helper\.py is not valid Python \(invalid syntax"):
        consistency.check(override("probes.induction.measure", f"{tmp_path}/probe.py:f"))


def test_two_helpers_of_a_name_are_told_apart(override, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "probe.py").write_text("import helper\n")
        (tmp_path / folder / "helper.py").write_text("")
    default = override("probes.induction.measure", f"{tmp_path}/a/probe.py:f")
    assert consistency.check(default).probe_files() == (f"{tmp_path}/a/helper.py", f"{tmp_path}/a/probe.py")
    default["probes"]["previous-token"]["measure"] = f"{tmp_path}/b/probe.py:f"
    with pytest.raises(UserError, match=r"imports .*b/helper\.py, and another probe .*a/helper\.py"):
        consistency.check(default)


def test_an_experiment_without_influence_is_told(override):
    only = [{"kind": "mask", "selections": ["random"]}]
    with pytest.raises(UserError, match="none has the selection 'influence'"):
        consistency.check(override("experiments.interventions", only))


def test_missing_files_are_found_before_any_job(default):
    default["corpus"] |= {"source": "jsonl", "table": {"path": "no.jsonl", "text": "t", "label": None}}
    with pytest.raises(UserError, match=r"'corpus': table\.path names the file no\.jsonl, which does not"):
        consistency.check(default)


def test_sections_of_other_sources_change_no_corpus(override):
    first = consistency.check(override("corpus.table", {"path": "x", "text": "t", "label": None}))
    assert first.corpus.in_use().table is None
    assert first.corpus.in_use().synthetic is not None


def test_no_path_of_a_machine_in_the_configuration():
    for path in [ROOT / "config.yaml", *(ROOT / "experiments").glob("*.yaml")]:
        assert not re.search(r"(^|\s)/[a-z]+/", path.read_text()), Path(path).name


def test_null_empties_what_an_overlay_cannot_take_away(override):
    assert consistency.check(override("model.published", None)).model.published == {}
    assert (
        consistency.check(override("experiments.augmentation.motifs", None)).experiments.augmentation.motifs
        == {}
    )


def test_what_changes_no_training_is_not_in_its_settings(override):
    settings = [
        consistency.check(override(place, value))
        for place, value in (("numerics.attribution", "fp32"), ("numerics.attribution", "bf16"))
    ]
    assert settings[0].numerics.of_training() == settings[1].numerics.of_training()
    assert settings[0].numerics.of_attribution() != settings[1].numerics.of_attribution()
