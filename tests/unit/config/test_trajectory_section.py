"""The section `trajectory`, and the selections by its walks."""

import re

import pytest

from mda.config import consistency, trajectory_section
from mda.planning import design
from mda.planning.cell import Cell
from mda.runtime.errors import UserError

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
        ({"outcomes": [OUTCOME | {"when": "never"}]}, "is 'never': input should be 'mean', 'end' or 'step'"),
        ({"outcomes": [OUTCOME | {"when": "step"}]}, "when 'step' needs 'step', a step at which runs are"),
        ({"outcomes": [OUTCOME | {"step": 9}]}, "'step' is of when 'step', but when is 'mean'"),
        (
            {"outcomes": [OUTCOME | {"when": "step", "step": 1}]},
            "matching.step is 1, but the trainings of trajectory begin at step",
        ),
        (
            {"outcomes": [OUTCOME | {"measure": "metric_sum"}]},
            "metric_sum is over all heads of the model, of the metrics best_prefix_matching and",
        ),
        (
            {"outcomes": [OUTCOME | {"measure": "metric_soft_max"}]},
            "metric_soft_max is over all heads of the model, of the metrics best_prefix_matching and",
        ),
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


def test_the_metric_of_a_target_may_be_its_probe(override):
    def told(measure):
        config = override("trajectory", WALK | {"outcomes": [OUTCOME | {"measure": measure}]})
        config["targets"][0] |= {"metric": "probe"}
        return consistency.check(config)

    with pytest.raises(UserError, match="the metric of induction-1 is its probe; set measure to probe"):
        told("metric")
    assert told("probe").trajectory is not None


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


SANITY = {"samples": 20, "updates": 179, "draws": 2, "seed": 0}


def test_walks_of_sanity_checks_fit_the_window(override):
    """The window has 180 steps, and one has to come after the outcome."""
    assert consistency.check(override("studies.sanity", SANITY)).studies.sanity.updates == 179
    with pytest.raises(
        UserError, match=r"sanity\.updates is 180, but one step less than run\.window has is 179;"
    ):
        consistency.check(override("studies.sanity", SANITY | {"updates": 180}))
