"""How the unit and in-context learning move together, in runs whose coupling is known."""

import numpy as np
import pandas as pd

from mda.studies.coupling import table


def coupled(shared, own, seeds=4, runs=12):
    """Outcomes of seeds that differ much; the loss follows the metric, the ICL score both of them."""
    generator = np.random.default_rng(0)
    lines = []
    for seed in range(seeds):
        level = 10 * generator.normal()
        for run in range(runs + 1):
            score = generator.normal() if run else 0.0
            loss = -score + 0.5 * generator.normal() * bool(run)
            icl = shared * loss - own * score + 0.3 * generator.normal() * bool(run)
            lines.append(
                {"target": "unit", "intervention": "replace" if run else "base", "seed": seed,
                 "score_area": level + score, "icl_area": -level + icl, "held_out_area": loss}
            )  # fmt: skip
    return pd.DataFrame(lines)


def test_coupling_is_within_orders_and_beyond_the_loss():
    found = table.correlations(coupled(shared=1.0, own=1.0), 0.95).set_index("runs_of")
    assert found.loc["all", "r_high"] < -0.8
    assert found.loc["all", "partial_r_high"] < -0.5
    assert found.loc["all", ["runs", "seeds"]].tolist() == [48, 4]
    # The ICL score that follows the loss alone is coupled by it alone.
    alone = table.correlations(coupled(shared=1.0, own=0.0), 0.95).set_index("runs_of")
    assert alone.loc["all", "r_high"] < -0.5
    assert alone.loc["all", "partial_r_low"] < 0 < alone.loc["all", "partial_r_high"]


def test_levels_of_orders_are_no_coupling():
    found = table.correlations(coupled(shared=0.0, own=0.0), 0.95).set_index("runs_of")
    assert found.loc["all", "r_low"] < 0 < found.loc["all", "r_high"]
    # Three runs of an order are no correlation.
    [few] = table.correlations(coupled(1.0, 1.0, runs=3), 0.95).to_dict("records")
    assert few["runs_of"] == "all" and np.isnan([few["r"], few["r_low"], few["partial_r"]]).all()
