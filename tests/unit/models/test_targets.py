"""The units of targets, from the scores of the base run's heads."""

from mda.models import units
from mda.models.units import Head
from mda.runtime import files, parquet
from mda.steps.models import targets


def test_a_class_is_what_is_above_its_bound_at_the_checkpoint_that_ranks(tmp_path):
    """L0H1 was above it earlier, and L1H1 is only later."""
    scores = {100: [0.1, 0.8, 0.0, 0.0], 200: [0.1, 0.2, 0.6, 0.3], 300: [0.1, 0.2, 0.6, 0.9]}
    lines = [
        {
            "step": step, "layer": place // 2, "head": place % 2, "prefix_matching": score,
            "previous_token": 0.5, "copying": -1.0,
        }
        for step, row in scores.items() for place, score in enumerate(row)
    ]  # fmt: skip
    table, out = tmp_path / "scores.parquet", tmp_path / "targets.json"
    parquet.write_table(table, {name: [line[name] for line in lines] for name in lines[0]})
    asked = {"class": ["induction > 0.25"], "first": ["induction 1"]}
    targets.find(table, 200, asked, out, tmp_path / "ranking.csv")
    assert units.read_targets(out) == {"class": [Head(1, 0), Head(1, 1)], "first": [Head(1, 0)]}
    assert files.read_json(out)["targets"]["class"]["scores"]["L1H1"]["prefix_matching"] == 0.3
