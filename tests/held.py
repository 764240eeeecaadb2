"""Tables that are held, for what reads them some lines at a time."""

import numpy as np

from mda.evidence import score_parts
from mda.figures import influence


def figure_of(scores, notes=()):
    """The figure of the influence in a table: columns influence and label."""
    falling = np.sort(scores["influence"].to_numpy(float))[::-1]
    return influence.draw(score_parts.of_frame(scores), lambda: iter([falling]), notes)
