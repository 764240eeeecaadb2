"""Speed of storing gradients, and of answering from the store, compared with scoring by a pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mda.attribution import curvature, stored_directions, stored_gradients
from mda.attribution.stored_directions import Kept
from mda.bench.passes import Scored
from mda.bench.shapes import Setting
from mda.bench.timing import in_turns, table
from mda.corpus.tokens import TokenStore

# Shares of a head's numbers that are stored.
SHARES = (1 / 2, 1 / 8)


def against_a_pass(setting: Setting, store: TokenStore, repetitions: int) -> str:
    """A line for each share of the numbers: both works, in times of a pass of the same turn.

    All heads of a layer are scored, each a target of its own. What reads and writes files is left out.
    """
    scored = Scored(setting, store, setting.heads(1))
    bases = curvature.bases_of(scored.tracker.model, scored.factors)
    works: dict[str, Callable[[], object]] = {"pass": scored.samples}
    numbers = {}
    for share in SHARES:
        kept = _kept(scored, share)
        numbers[share] = stored_directions.width(kept) // len(scored.heads)
        store_all = partial(_stored, scored, kept)
        held = [store_all()]
        works[f"store {share}"] = store_all
        works[f"answer {share}"] = partial(stored_gradients.influences, scored.known, bases, kept, held)
    found = in_turns(works, repetitions)
    head = [
        f"{setting.shape}, {setting.precision}, {setting.rows} rows of {setting.context}",
        "stored numbers of a row and head",
        "a pass, tokens a second",
        "storing / a pass",
        "answering / a pass",
    ]
    lines = [
        [
            f"{len(scored.heads)} heads of a layer",
            f"{numbers[share]:,} ({share:g} of all)",
            found["pass"].each(lambda took: setting.tokens / took).text(0),
            found[f"store {share}"].over(found["pass"]).text(),
            found[f"answer {share}"].over(found["pass"]).text(4),
        ]
        for share in SHARES
    ]
    return table(head, lines)


def _stored(scored: Scored, kept: dict[str, Kept]) -> np.ndarray:
    parts = stored_gradients.store(scored.tracker, scored.rows, kept, scored.factors, len(scored.rows))
    return np.concatenate([values for values, *_ in parts])


def _kept(scored: Scored, share: float) -> dict[str, Kept]:
    """So many of the directions with the largest eigenvalues, of each head."""
    means = {
        name: (total / scored.factors["num_lambda_processed"][name]).cpu().numpy()
        for name, total in scored.factors["lambda_matrix"].items()
    }
    sizes = {name: values.size for name, values in means.items()}
    values = round(share * sum(sizes.values()) / len(scored.heads))
    chosen = stored_directions.choose(
        {name: partial(means.__getitem__, name) for name in means}, sizes, values
    )
    return stored_directions.of_table(chosen)
