"""A plan whose jobs all end at once, in the process that runs it: small, where a benchmark's is big."""

import json
from collections import Counter

import pytest
from slurm.conftest import QUICK
from slurm.simulated_cluster import Simulation, target

ONCE = ("merged_configuration", "intervene", "curves", "effects", "plot_heads")


def rules(commands) -> Counter[str]:
    return Counter(command.partition(":")[0] for command in commands)


@pytest.mark.rare
def test_a_plan_is_driven_to_its_end(tmp_path):
    """Each job is submitted once and has made its files; the start of one can be measured."""
    simulation = Simulation(tmp_path / "cluster", shards=12, seeds=2)
    assert simulation.dry_run() > 0
    cost = simulation.run(*QUICK)
    planned = rules(json.loads((simulation.folder / "jobs.json").read_text()))
    assert planned["score_shard"] == 12
    assert planned["retrain"] == 14
    assert cost.submitted == sum(planned[rule] for rule in simulation.commands)
    assert not set(ONCE) & set(simulation.commands)
    assert simulation.project.planned() == Counter()
    assert min(simulation.start_of("retrain")) > 0
    # Of each rule a log and a benchmark; SLURM's logs are gone with their folders.
    for kind in ("logs", "benchmarks"):
        joined = {path.stem for path in (simulation.project.results / kind / "joined").iterdir()}
        assert {"score_shard", "retrain", "intervene"} <= joined
    besides = sum(number for place, number in cost.files.items() if place.endswith("files"))
    assert besides - cost.files[".snakemake/metadata: files"] <= 2 * len(planned) + 1
    assert not cost.files["results/logs/slurm: files"]


@pytest.mark.rare
def test_in_a_large_experiment_the_steps_beside_the_workflow_are_jobs(tmp_path):
    simulation = Simulation(tmp_path / "cluster", shards=6, seeds=1)
    simulation.project.configure("run.batch_size", 50_000)
    simulation.project.configure("attribution.samples_per_shard", 50_000)
    simulation.project.configure("corpus.synthetic.documents", 800_000)
    simulation.run(*QUICK)
    assert set(ONCE) - set(simulation.commands) == {"merged_configuration"}


def test_a_job_is_known_by_its_command():
    text = (
        "python -m snakemake --target-jobs 'retrain:branch=replace/random/top-10,seed=3' --cores all\nEND\n"
    )
    assert target(text) == "retrain:branch=replace/random/top-10,seed=3"
