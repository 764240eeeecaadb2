"""Hold influence by approximate curvatures against the exact one of the same blocks."""

from pathlib import Path

import numpy as np
import pandas as pd

from mda.attribution import exact, factor_files, influence, passes, queries, watching
from mda.config import sections
from mda.config.study_sections import Exact
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import statistics
from mda.evidence.studies import agreement
from mda.models import model as models
from mda.models import sequences, units
from mda.runtime import cli, files
from mda.runtime.errors import UserError
from mda.training import schedule as schedules


def compare(
    checkpoint: Path,
    tokenizer: Path,
    train: Path,
    schedule: Path,
    targets: Path,
    scores: list[Path],
    curvatures: list[str],
    target_settings: list[sections.Target],
    probe_settings: dict[str, sections.Probe],
    probe_files: list[Path],
    fit: sections.Fit,
    settings: Exact,
    numerics: sections.Numerics,
    damping: float,
    floor: float | None,
    steps: tuple[int, int],
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: a line a target and curvature, the exact one's two halves of draws among them.

    Columns: target, curvature, samples, spearman with the exact influence and its interval. The line
    'half of the draws' compares the two halves with each other: the exact influence's own error.
    `probe_files` are the users' own sources, noted in `out` with their hashes.
    """
    del probe_files
    stream = schedules.Schedule.read(schedule).between(*steps)
    chosen = np.random.default_rng([fit.seed, 8]).permutation(len(stream.row))[: settings.compared]
    rows, store = stream.row[np.sort(chosen)], TokenStore(train)
    tables = {name: agreement.read(path) for name, path in zip(curvatures, scores, strict=True)}
    model = models.load(checkpoint, numerics.attention)
    members = units.read_targets(targets)
    vocabulary = sequences.ordinary_tokens(tokens.load_tokenizer(tokenizer))
    blocks = watching.blocks_of(model, units.all_units(members))
    every = watching.all_blocks(blocks)
    for block in every:
        size = watching.weights(model, block).numel()
        if size > settings.largest_block:
            raise UserError(
                f"studies.curvature.exact: block {block.name} has {size} weights, more than largest_block "
                f"{settings.largest_block}; raise it, or set exact to null"
            )
    fitted = np.concatenate([factor_files.rows(schedule, fit, part) for part in range(fit.parts)])
    even, odd = exact.matrices(
        model, every, passes.Rows(store, fitted), settings.draws, fit.seed, fit.batch_size
    )
    both = {name: (even[name] + odd[name]) / 2 for name in even}
    lines = []
    for target in target_settings:
        query = queries.of_target(target.name, members[target.name], probe_settings[target.probe], vocabulary)
        mine = [blocks[unit][kind] for unit in members[target.name] for kind in target.blocks]
        probe = influence.finite(query, influence.probe_gradients(model, query, mine))
        sets = [exact.directions(matrix, probe, damping, floor) for matrix in (both, even, odd)]
        by_block = exact.influences(model, mine, passes.Rows(store, rows), sets, fit.batch_size)
        found = [np.sum(list(parts.values()), axis=0) for parts in by_block]
        pairs = {"half of the draws": (found[1], found[2])}
        for name, table in tables.items():
            scored = table[target.name].set_index("row")["influence"].loc[rows].to_numpy()
            pairs[name] = (found[0], scored)
        for name, pair in pairs.items():
            estimate = statistics.rank_correlation(*pair, confidence)
            columns = dict(zip(("spearman", "spearman_low", "spearman_high"), estimate, strict=True))
            lines.append({"target": target.name, "curvature": name, "samples": len(rows), **columns})
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(compare)
