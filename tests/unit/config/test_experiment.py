"""The configuration: nothing drifts, and every mistake is one clear sentence."""

import re
import runpy
import shutil
from pathlib import Path

import pytest
import yaml
from project import ROOT
from pydantic import BaseModel

from mda.config import consistency, experiment, settings, trajectory_section
from mda.planning import cost, design, variants
from mda.planning.cell import BASE, Cell
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
    free = ("model.settings.", "probes.")
    wanted = {key for key in keys_of(experiment.Config) if not key.startswith((*empty, *free))}
    assert {key for key in given if not key.startswith(free)} == wanted


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_overlay_is_valid(default, path, tmp_path, monkeypatch):
    from snakemake.utils import update_config

    overlay = yaml.safe_load(path.read_text())
    update_config(default, overlay)
    monkeypatch.chdir(tmp_path)
    # Of another experiment, which is run first.
    for motifs in overlay.get("experiments", {}).get("augmentation", {}).get("motifs", {}).values():
        for seed in overlay["experiments"].get("seeds", default["experiments"]["seeds"]):
            file = tmp_path / motifs.replace("{seed}", str(seed))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    if "own" in overlay.get("selection", {}):
        (tmp_path / overlay["selection"]["own"]).parent.mkdir(parents=True)
        (tmp_path / overlay["selection"]["own"]).touch()
    if "trace" in overlay and "table" in overlay["corpus"]:
        trace = ROOT / "experiments" / "trace"
        there = shutil.ignore_patterns("made", "made.part", "__pycache__")
        shutil.copytree(trace, tmp_path / "experiments" / "trace", ignore=there)
        # What `make trace` trains first.
        untrained = runpy.run_path(str(trace / "make.py"))["llama"]()
        for checkpoint in overlay["trace"]["checkpoints"].values():
            untrained.save_pretrained(tmp_path / checkpoint["model"])
        (tmp_path / overlay["corpus"]["table"]["path"]).touch()
        (tmp_path / overlay["tokens"]["tokenizer"]["path"] / "tokenizer.json").touch()
    checked = consistency.check(default)
    assert checked.experiment == overlay.get("experiment")
    if path.parent == ROOT / "experiments" and path.stem != "evidence":
        assert checked.results == f"results/{path.stem}"


def test_the_experiments_of_a_folder_are_those_that_evidence_reads():
    studies = yaml.safe_load((ROOT / "experiments" / "evidence.yaml").read_text())["studies"]
    named = {"catalysts": studies["validity"]["corpora"], "replications": studies["replications"]}
    for folder, read in named.items():
        overlays = [yaml.safe_load(path.read_text()) for path in (ROOT / "experiments" / folder).iterdir()]
        assert {overlay["experiment"] for overlay in overlays} == set(read)


def test_replications_share_no_seed_with_the_default_or_each_other(default):
    paths = sorted((ROOT / "experiments" / "replications").iterdir())
    seeds = [yaml.safe_load(path.read_text()) for path in paths]
    for one, where in (("model", "seed"), ("run", "order_seed")):
        used = [overlay[one][where] for overlay in seeds] + [default[one][where]]
        assert len(set(used)) == len(used)


def power_models():
    """The models of the planned contrasts, each as it is run: over the overlay of one model."""
    folder = ROOT / "experiments" / "python-packages-power"
    one = settings.read([ROOT / "config.yaml", ROOT / "experiments" / "python-packages.yaml"])
    return [
        consistency.check(settings.merge(one, settings.read([path]))) for path in sorted(folder.iterdir())
    ]


def test_the_models_of_the_planned_contrasts_are_those_that_the_study_reads():
    """They share no seed with each other or with the pilot, and have what each contrast needs."""
    study = settings.read([ROOT / "experiments" / "python-packages-power.yaml"])["studies"]["contrasts"]
    models = power_models()
    assert [model.experiment for model in models] == study["experiments"]
    pilot = consistency.check(
        settings.read([ROOT / "config.yaml", ROOT / "experiments" / "python-packages.yaml"])
    )
    for seeds in (
        [model.model.seed for model in [pilot, *models]],
        [model.run.order_seed for model in [pilot, *models]],
        [seed for model in [pilot, *models] for seed in model.experiments.seeds],
    ):
        assert len(set(seeds)) == len(seeds)
    for model in models:
        assert model.corpus == pilot.corpus
        assert [target.metric for target in model.targets] == ["best_prefix_matching"]
        made = {(cell.intervention, cell.selection) for cell in design.cells(model)}
        assert {(one["kind"], one["control"]) for one in study["planned"]} <= made
        assert len(design.cells(model)) == 32


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("runn", {}, "unknown key 'runn'; did you mean 'run'?"),
        ("run.step", 3, "'run': unknown key 'step'; did you mean 'steps'?"),
        ("run.steps", "many", "'run.steps' is 'many': input should be a valid integer"),
        ("tokens", 3, "'tokens' is 3: input should be a valid dictionary"),
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
        ("targets", None, "'targets' is None: input should be a valid list"),
        ("targets", "L0H0", "'targets' is 'L0H0': input should be a valid list"),
        ("corpus", 3, "'corpus' is 3: input should be a valid dictionary"),
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
        ("experiments.seeds", "0123", "'experiments.seeds' is '0123': input should be a valid list"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(override, place, value, words):
    with pytest.raises(UserError) as caught:
        consistency.check(override(place, value))
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert re.search(r"\.$", message)


OUTCOME = {"name": "matching", "measure": "metric", "target": "induction-1", "when": "mean"}
WALK = {"orders": [0, 1], "base_run": False, "outcomes": [OUTCOME], "keep_every": None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"orders": []},
            "'trajectory': orders is empty and base_run is false; name a seed, or set it to true",
        ),
        ({"orders": [1, 1]}, "'trajectory.orders': names 1 twice"),
        ({"outcomes": [OUTCOME, OUTCOME]}, "'trajectory': outcomes names 'matching' twice"),
        ({"outcomes": [OUTCOME | {"target": None}]}, "measure 'metric' needs 'target', the name of a target"),
        ({"outcomes": [OUTCOME | {"measure": "held_out_loss"}]}, "is of the whole model; leave 'target' out"),
        (
            {"outcomes": [OUTCOME | {"target": "x"}]},
            "matching.target is 'x', but targets has only",
        ),
        ({"outcomes": [OUTCOME | {"when": "never"}]}, "is 'never': input should be 'mean' or 'end'"),
        ({"keep_every": 0}, "'trajectory.keep_every' is 0: input should be greater than or equal to 1"),
        ({"order": [1]}, "'trajectory': unknown key 'order'; did you mean 'orders'?"),
    ],
)
def test_a_mistake_in_a_trajectory_is_one_sentence(override, change, words):
    assert consistency.check(override("trajectory", WALK)).trajectory.names == ["0", "1"]
    with pytest.raises(UserError) as caught:
        consistency.check(override("trajectory", WALK | change))
    assert words in str(caught.value)
    assert re.search(r"\.$", str(caught.value))


def test_a_trajectory_does_not_differentiate_what_it_cannot(override, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("words")
    config = override("trajectory", WALK | {"outcomes": [OUTCOME | {"measure": "probe"}]})
    assert consistency.check(config).trajectory is not None
    config["probes"]["induction"] = {"measure": "rows", "path": str(text), "positions": "all"}
    with pytest.raises(UserError, match="a probe of rows cannot be differentiated in the output layer's"):
        consistency.check(config)
    config = override("trajectory", WALK)
    config["targets"][0] |= {"metric": "probe"}
    with pytest.raises(UserError, match="the metric of induction-1 is its probe; set measure to probe"):
        consistency.check(config)


def test_a_selection_by_walks_needs_them(override):
    def told(selection, walk):
        config = override("trajectory", walk)
        config["experiments"]["interventions"][0]["selections"] = ["influence", "random", selection]
        try:
            return design.cells(consistency.check(config))
        except UserError as error:
            return str(error)

    every = WALK | {"orders": [0, 1, 2, 3]}
    assert "selected by history, which needs the section trajectory" in told("history", None)
    assert "give trajectory.orders two or more" in told("history", WALK | {"orders": [0]})
    assert "trajectory.orders lacks the seed 2; add it" in told("trajectory", WALK)
    other = OUTCOME | {"measure": "held_out_loss", "target": None}
    assert "outcomes has none of the target induction-1; add one" in told(
        "history", every | {"outcomes": [other]}
    )
    for selection in ("history", "trajectory"):
        assert Cell("replace", f"{selection}-induction-1", 0.1, 3) in told(selection, every)
    branch = "replace/trajectory-induction-1/top-10"
    assert design.place_of_selection(branch, 3) == "trajectory-induction-1/draw-3/top-10"
    assert design.Selection.parse("trajectory-induction-1/draw-3") == ("trajectory", "induction-1", 3)


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


def test_masking_in_the_orders_of_walks_needs_walks(override):
    def told(walk, **changes):
        config = override("trajectory", walk)
        config["studies"]["linearity"] = {
            "selections": ["random", "trajectory"],
            "fractions": [0.01],
        } | changes
        try:
            return design.linearity_cells(consistency.check(config))
        except UserError as error:
            return str(error)

    assert "studies.linearity needs the section trajectory; add it, or set" in told(None)
    assert "give trajectory.orders some" in told(WALK | {"orders": [], "base_run": True})
    assert "one whose measure is metric" in told(WALK | {"outcomes": [OUTCOME | {"measure": "probe"}]})
    assert "give trajectory.orders two or more" in told(WALK | {"orders": [0]}, selections=["history"])
    # Each order has its own scores, whatever the seeds of the interventions.
    found = told(WALK | {"orders": [7, 8]})
    assert [cell for cell in found if cell.seed == 8] == [
        Cell("base", "none", 0.0, 8),
        Cell("mask", "random", 0.01, 8),
        Cell("mask", "trajectory-induction-1", 0.01, 8),
    ]


def test_more_orders_change_no_single_walk(override):
    one, more = (
        consistency.check(override("trajectory", WALK | {"orders": orders})).trajectory
        for orders in ([0], [0, 1, 2])
    )
    assert one.of_a_walk() == more.of_a_walk()
    assert trajectory_section.Trajectory.model_validate(one.of_a_walk().model_dump()) == one.of_a_walk()


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


def test_the_design_has_every_cell_and_its_twin(default):
    checked = consistency.check(default)
    cells = design.cells(checked)
    assert len(set(cells)) == len(cells) == 4 * (1 + 4 + 4 + 2 + 2)
    assert {design.branch(cell) for cell in cells} >= {"base", "replace/influence-induction-1/top-10"}
    for cell in cells:
        if cell.intervention != BASE:
            assert cell._replace(selection="random") in cells
            assert Cell(BASE, "none", 0.0, cell.seed) in cells


def test_the_configured_curvature_is_no_other(override):
    checked = consistency.check(override("attribution.fit.strategy", "kfac"))
    assert variants.strategies(checked) == ["strategy-identity", "strategy-diagonal"]
    assert "kfac-induction-1" not in {cell.selection for cell in design.study_cells(checked)}


def test_every_curvature_is_asked_at_every_damping_and_number_of_samples(override):
    checked = consistency.check(override("studies.curvature.strategies", ["identity", "kfac"]))
    names = variants.names(checked)
    both = "strategy-kfac_damping-0.01"
    assert {both, "strategy-kfac_samples-125", "damping-0.01", "strategy-kfac"} <= set(names)
    assert not [name for name in names if name.startswith("strategy-identity_")]
    found = variants.attribution(checked, variants.place(both))
    assert (found.fit.strategy, found.damping) == ("kfac", 0.01)
    assert found.fit.samples == checked.attribution.fit.samples
    # What is fitted does not depend on the damping.
    fitted = {name: variants.fitted_in(variants.place(name)) for name in (both, "damping-0.01", "seed-1")}
    assert fitted == {
        both: "variants/strategy-kfac/", "damping-0.01": "", "seed-1": "variants/seed-1/",
    }  # fmt: skip


def test_removals_that_are_configured_are_judged_without_any_study(override):
    """So that `snakemake evidence` has what `snakemake` has."""
    nothing = {"dose": None, "controls": None, "specificity": None, "time": None, "datamodel": None}
    checked = consistency.check(override("studies", {**override("experiment", None)["studies"], **nothing}))
    assert set(design.study_cells(checked)) == set(design.cells(checked))


def test_every_seed_has_draws_of_its_own():
    """Samples at random are drawn anew for every order; what is chosen by a score is one for all."""
    draws = {design.place_of_selection("replace/random/top-10", seed) for seed in range(3)}
    assert draws == {f"random/draw-{seed}/top-10" for seed in range(3)}
    assert design.place_of_selection("mask/matched-a-b/top-2.5", 7) == "matched-a-b/draw-7/top-2.5"
    for branch in ("replace/influence-a/top-10", "replace/subset/draw-5/top-50"):
        assert {design.place_of_selection(branch, seed) for seed in range(3)} == {branch.partition("/")[2]}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("loss", ("loss", None, None)),
        ("gradient_norm-a-b", ("gradient_norm", "a-b", None)),
        ("random/draw-3", ("random", None, 3)),
        ("matched-a-b/draw-0", ("matched", "a-b", 0)),
    ],
)
def test_names_of_selections(name, parts):
    assert design.Selection.parse(name) == parts


@pytest.mark.parametrize(("fraction", "text"), [(0.1, "10"), (0.025, "2.5"), (0.07, "7"), (0.001, "0.1")])
def test_percentages_in_paths(fraction, text):
    assert design.percent(fraction) == text


def test_sections_of_other_sources_change_no_corpus(override):
    first = consistency.check(override("corpus.table", {"path": "x", "text": "t", "label": None}))
    assert first.corpus.in_use().table is None
    assert first.corpus.in_use().synthetic is not None


def test_no_path_of_a_machine_in_the_configuration():
    for path in [ROOT / "config.yaml", *(ROOT / "experiments").glob("*.yaml")]:
        assert not re.search(r"(^|\s)/[a-z]+/", path.read_text()), Path(path).name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("pythia-*.yaml")), ids=lambda path: path.stem
)
def test_an_overlay_states_the_cost_that_follows_from_it(default, path):
    from snakemake.utils import update_config

    text = path.read_text()
    update_config(default, yaml.safe_load(text))
    found = cost.of(consistency.check(default))
    stated = re.search(r"([\d.]+) G tokens, (\d+) retrainings; ([\d.]+) GB to download", text)
    assert stated is not None
    assert stated[1] == f"{found.tokens / 1e9:.1f}"
    assert int(stated[2]) == found.retrainings
    assert stated[3] == f"{found.token_bytes / 1e9:.1f}"


def test_the_pythia_overlays_share_data_and_optimizer(default):
    overlays = [
        yaml.safe_load((ROOT / "experiments" / f"pythia-{size}.yaml").read_text())
        for size in ("14m", "14m-quick", "31m", "70m", "160m")
    ]
    for overlay in overlays[1:]:
        assert overlay["corpus"] == overlays[0]["corpus"]
        assert overlay["numerics"] == overlays[0]["numerics"]
        rates = [each["run"]["optimizer"].pop("learning_rate") for each in (overlays[0], overlay)]
        assert all(rate in (1e-3, 6e-4) for rate in rates)
        assert overlay["run"]["optimizer"] == overlays[0]["run"]["optimizer"]
        overlays[0]["run"]["optimizer"]["learning_rate"] = rates[0]


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
