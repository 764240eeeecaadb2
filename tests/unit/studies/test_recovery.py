"""Known catalysts, by scores that find them and by some that do not."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from mda.corpus.tokens import TokenStore
from mda.evidence import statistics
from mda.interventions import selection
from mda.runtime import cli, files, parquet
from mda.steps.studies import recovery as step
from mda.studies.recovery import table

GENERATOR = np.random.default_rng(0)


def falling(scores, labels, piece=97):
    """Values and labels in pieces, the highest first."""
    order = np.argsort(-scores, kind="stable")
    lines = pa.table({"value": scores[order], "label": np.array(labels)[order]}).combine_chunks()
    return lambda: iter(lines.to_batches(max_chunksize=piece))


def lines_of(scores, labels, decoy="decoy", fraction=0.1, confidence=0.9999):
    sorted_ = {method: falling(values, labels) for method, values in scores.items()}
    return table.recovery(sorted_, "catalyst", decoy, fraction, confidence)


def test_known_catalysts_are_recovered():
    catalyst = np.arange(1000) < 100
    scores = {"perfect": catalyst + 0.0, "noise": GENERATOR.normal(size=1000)}
    decoy = np.arange(1000) >= 800
    scores["taken in"] = catalyst + 2.0 * decoy
    labels = np.where(catalyst, "catalyst", np.where(decoy, "decoy", "rest"))
    perfect, noise, taken_in = lines_of(scores, labels)
    assert (perfect["auroc"], perfect["precision"], perfect["rate"]) == (1, 1, 0.1)
    assert noise["auroc_low"] < 0.5 < noise["auroc_high"]
    assert noise["precision_low"] < 0.1 < noise["precision_high"]
    assert (perfect["decoys_auroc"], perfect["decoys_top"]) == (1, 0)
    # Better than the rest, worse than the decoys.
    assert taken_in["auroc"] == pytest.approx(7 / 9)
    assert (taken_in["decoys_auroc"], taken_in["decoys_top"], taken_in["precision"]) == (0, 1, 0)
    for decoy in (None, "nowhere"):
        [line] = lines_of({"perfect": scores["perfect"]}, labels, decoy)
        assert np.isnan([line["decoys_auroc"], line["decoys_top"]]).all()


def test_pieces_give_what_all_scores_at_once_give():
    """With many ties, which go on from piece to piece."""
    scores = GENERATOR.integers(0, 7, 2000).astype(np.float32)
    labels = GENERATOR.choice(["catalyst", "decoy", "rest"], 2000, p=[0.2, 0.1, 0.7])
    [found] = lines_of({"influence": scores}, labels)
    mine = scores[labels == "catalyst"]
    for name, others in (("auroc", labels != "catalyst"), ("decoys_auroc", labels == "decoy")):
        known = statistics.auroc(mine, scores[others], 0.9999)
        assert [found[name + end] for end in ("", "_low", "_high")] == list(known)
    top = np.argsort(-scores, kind="stable")[:200]
    assert found["precision"] == (labels[top] == "catalyst").mean()
    assert found["decoys_top"] == (labels[top] == "decoy").mean()


@pytest.mark.parametrize("decoy", ['"decoy"', "null"])
def test_the_step_reads_what_finished_experiments_left(tmp_path, override, decoy):
    """By the command line, as the rule calls it."""
    sources = [
        {"label": "catalyst", "kind": "tiled", "share": 0.5, "motif": [4, 12]},
        {"label": "decoy", "kind": "tiled", "share": 0.5, "motif": [32, 32]},
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(override("corpus.synthetic.sources", sources)))
    heads = {"L1H0": {"prefix_matching": 0.1}, "L1H1": {"prefix_matching": 0.5}}
    files.write_json(tmp_path / "targets.json", {"targets": {"induction-1": {"scores": heads}}})
    files.write_array(tmp_path / "train.npy", GENERATOR.integers(2, 60, (20, 33)).astype(np.uint16))
    rows = np.arange(20)
    labels = np.where(rows < 10, "catalyst", "decoy")
    columns = {"influence": np.where(rows < 10, 2.0, 1.0) + rows / 100, "loss": 1.0 * rows, "label": labels}
    parquet.write_table(
        tmp_path / "scores.parquet", {"target": ["induction-1"] * 20, "step": rows, "row": rows, **columns}
    )
    given = {"scores": "scores.parquet", "stores": "train.npy", "units": "targets.json"}
    words = [f"--{name}={tmp_path / path}" for name, path in given.items()]
    words += [f"--configurations={tmp_path / 'config.yaml'}", '--corpora=["known"]', "--label=catalyst"]
    words += [f"--decoy={decoy}", "--fraction=0.1", "--confidence=0.95", f"--out={tmp_path / 'out.csv'}"]
    cli.run(step.make, words)
    found = pd.read_csv(tmp_path / "out.csv").set_index("method")
    assert found["formed"].all()
    assert found.loc["influence", ["auroc", "rate", "share"]].tolist() == [1, 0.5, 0.5]
    assert found.loc["loss", "auroc"] == 0
    assert found["decoys_auroc"].notna().all() == (decoy != "null")
    # Ties are drawn as a selection draws them.
    repetition = selection.repetition_scores(TokenStore(tmp_path / "train.npy"), rows)
    assert len(np.unique(repetition)) < 20
    top = selection.top(repetition, 2, 0)
    assert found.loc["repetition", "precision"] == (labels[top] == "catalyst").mean()
