"""False positives, counted."""

import numpy as np
import pandas as pd

from mda.studies.null.table import false_positives


def test_false_positives_are_counted_where_something_could_be_found():
    p_values = [0.01, 0.2, np.nan, 0.6, 1.0]
    differences = [1.0, 0.5, np.nan, 0.1, 0.0]
    table = pd.DataFrame(
        {"outcome": "score_area", "to_base_p": p_values, "to_base_q": [0.03, 0.3, np.nan, 0.6, 1.0],
         "to_base": differences, "to_base_low": differences, "to_base_high": differences}
    )  # fmt: skip
    names = ("to_random", "to_random_low", "to_random_high", "to_random_p", "to_random_q")
    table = table.assign(**dict.fromkeys(names, np.nan))
    [line] = false_positives(table, 0.95).to_dict("records")
    # Five cells: one has no comparison, and of one all runs are the same.
    assert (line["tests"], line["found"], line["corrected"], line["comparison"]) == (3, 1, 1, "to_base")
    assert line["rate_low"] < 1 / 3 < line["rate_high"]
