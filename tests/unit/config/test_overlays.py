"""The overlays in `experiments/`: valid, and what they say of themselves holds."""

import re
import runpy
import shutil

import pytest
import yaml
from project import ROOT

from mda.config import consistency, settings
from mda.planning import cost, design

# Folders whose overlays follow another one on the command line.
FOLLOWED = {"python-packages-power": "python-packages", "trajectories-models": "trajectories"}


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_overlay_is_valid(default, path, tmp_path, monkeypatch):
    from snakemake.utils import update_config

    overlay = yaml.safe_load(path.read_text())
    if (first := FOLLOWED.get(path.parent.name)) is not None:
        update_config(default, yaml.safe_load((ROOT / "experiments" / f"{first}.yaml").read_text()))
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


def pilot_and_models(folder):
    """The experiment that came first, and the models of a folder: each is run over that one's overlay."""
    one = settings.read([ROOT / "config.yaml", ROOT / "experiments" / f"{FOLLOWED[folder]}.yaml"])
    return consistency.check(one), [
        consistency.check(settings.merge(one, settings.read([path])))
        for path in sorted((ROOT / "experiments" / folder).iterdir())
    ]


@pytest.mark.parametrize(
    ("planned", "branches"), [("python-packages-power", 32), ("trajectories-models", 16)]
)
def test_the_models_of_the_planned_contrasts_are_those_that_the_study_reads(planned, branches):
    """They share no initial weights with each other or with the pilot, and have what each contrast needs."""
    study = settings.read([ROOT / "experiments" / f"{planned}.yaml"])["studies"]["contrasts"]
    first, models = pilot_and_models(planned)
    assert [model.experiment for model in models] == study["experiments"]
    for seeds in (
        [model.model.seed for model in [first, *models]],
        [model.run.order_seed for model in [first, *models]],
    ):
        assert len(set(seeds)) == len(seeds)
    for model in models:
        assert model.corpus == first.corpus
        assert [target.metric for target in model.targets] == [target.metric for target in first.targets][:1]
        walked = [] if model.trajectory is None else model.trajectory.orders
        assert not set(walked) & set(model.experiments.seeds)
        target = model.targets[0].name
        made = {
            (cell.intervention, cell.selection.removesuffix(f"-{target}")) for cell in design.cells(model)
        }
        assert {(one["kind"], one["control"]) for one in study["planned"]} <= made
        assert len(design.cells(model)) == branches


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
