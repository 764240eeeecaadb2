"""`snakemake evidence` on the tiny project: every study's table and figure, and what they rest on."""

import os
import shutil

import pages
import pandas as pd
import pytest
import tables

pytestmark = pytest.mark.slow

STUDIES = {
    "ablation", "agreement", "augmentation", "checkpoints", "contrasts", "controls", "coupling", "crossed",
    "datamodel", "dose", "enrichment", "exact", "overlap", "placebo", "replication", "sanity", "stream",
    "tail",
}  # fmt: skip
WITHOUT_FIGURE = {"tail"}


@pytest.fixture(scope="module")
def evidence(finished, tmp_path_factory):
    project = finished.copy(tmp_path_factory.mktemp("evidence") / "project")
    # Another experiment, which has been run before.
    for name in ("twin", "brother"):
        shutil.copytree(project.results / "tables", project.results / name / "tables")
    project.configure("studies.replications", ["twin", "brother"])
    planned = [{"kind": "replace", "control": "random", "outcome": "formation_step"}]
    project.configure("studies.sanity", {"samples": 10, "updates": 1, "draws": 2, "seed": 0})
    project.configure("studies.contrasts", {"experiments": ["twin", "brother"], "planned": planned})
    project.snakemake("evidence")
    return project


def test_every_rule_of_the_studies_has_run(evidence):
    logs = {path.stem for path in (evidence.results / "logs").iterdir()}
    assert {"control_scores", "gradient_norm", *(f"study_{study}" for study in STUDIES)} <= logs


def test_every_column_of_every_study_has_a_meaning_and_a_unit(evidence):
    # These need corpora of known answers, published batches, and a trace.
    assert tables.described(evidence.results) == {
        "evidence/recovery.csv", "evidence/null.csv", "evidence/linearity.csv", "tokens/batches.parquet",
        "scores/documents.parquet", "trajectory/order-*.curves.parquet", "trajectory/order-*.parquet",
        "trajectory/mean.parquet", "trajectory/reliability.csv",
        "gradients/directions.parquet", "gradients/*.parquet", "evidence/stored_gradients.csv",
    }  # fmt: skip


def table(project, name):
    return pd.read_csv(project.results / "evidence" / f"{name}.csv")


def test_every_study_has_a_table_and_a_figure(evidence):
    made = {path.stem for path in (evidence.results / "evidence").glob("*.csv")}
    assert made == STUDIES | {"effects", "outcomes", "findings"}
    drawn = {path.stem for path in (evidence.results / "figures" / "evidence").glob("*.png")}
    assert drawn == STUDIES - WITHOUT_FIGURE


def test_findings_are_of_every_target_and_name_files_that_exist(evidence):
    found = table(evidence, "findings")
    assert set(found["target"]) == {"induction-1", "pair", "corpora of known answers"}
    # A model of eight steps forms nothing, so nothing is reproduced.
    assert set(found["verdict"]) == {"cannot be told here", "not run"}
    # Of what is not configured there is no file.
    unknown = found["file"].isna()
    assert set(found.loc[unknown, "finding"]) == {"recovery", "no-catalysts", "linearity"}
    assert all((evidence.results / name).is_file() for name in found.loc[~unknown, "file"])


def test_the_report_has_every_study(evidence):
    page = (evidence.results / "evidence.html").read_text()
    assert page.count('class="claim"') == len(table(evidence, "findings"))
    for study in STUDIES:
        # The table is on the page, with a link to it, and can be saved from it.
        assert f'<article class="result" id="file-evidence-{study}-csv">' in page
        assert f'download="evidence-{study}.csv"' in page
    for study in STUDIES - WITHOUT_FIGURE:
        assert f"<code>figures/evidence/{study}.png</code>" in page


def test_a_browser_of_all_samples_compares_the_checkpoints(evidence):
    found = pages.columns(evidence.results / "samples" / "checkpoints")
    names = [f"{target} at step {step}" for step in (4, 8) for target in ("induction-1", "pair")]
    assert list(found) == names
    other = evidence.results / "variants" / "checkpoint-8" / "scores" / "scores.parquet"
    mine = pd.read_parquet(other).query("target == 'pair'").sort_values(["step", "row"])
    assert found["pair at step 8"].tolist() == mine["influence"].astype("f4").tolist()
    assert list(pages.columns(evidence.results / "samples" / "all")) == ["induction-1", "pair"]
    page = (evidence.results / "evidence.html").read_text()
    assert "<code>samples/checkpoints/index.html</code>" in page


def test_effects_cover_every_way_to_select(evidence):
    effects = table(evidence, "effects")
    mine = effects[(effects["target"] == "pair") & (effects["intervention"] == "replace")]
    methods = {"influence", "identity", "diagonal", "gradient_norm", "bm25", "matched", "at8", "checkpoints"}
    wanted = {f"{method}-{target}" for method in methods for target in ("induction-1", "pair")}
    assert set(mine["selection"]) == wanted | {
        "influence-other",
        "random",
        "loss",
        "bigram",
        "compressibility",
    }
    assert set(mine.loc[mine["selection"] == "influence-pair", "fraction"]) == {0.1, 0.2}
    assert "swap" in set(effects["intervention"])
    assert set(effects["seeds"]) == {2}


def test_variants_differ_from_the_configured_attribution_as_they_should(evidence):
    agreement = table(evidence, "agreement").set_index(["target", "variant"])
    assert {variant for _, variant in agreement.index} == {
        "strategy-identity", "strategy-diagonal", "damping-1", "strategy-diagonal_damping-1", "checkpoint-8",
    }  # fmt: skip
    # A damping changes scores, and needs no factors of its own.
    places = evidence.results / "variants"
    assert (places / "strategy-diagonal" / "factors").is_dir()
    assert not (places / "strategy-diagonal_damping-1" / "factors").exists()
    assert agreement.loc[("pair", "strategy-diagonal_damping-1"), "spearman"] != pytest.approx(
        agreement.loc[("pair", "strategy-diagonal"), "spearman"], abs=1e-9
    )
    for target in ("induction-1", "pair"):
        # Ten times the damping changes less than no curvature at all.
        assert (
            agreement.loc[(target, "damping-1"), "spearman"]
            > agreement.loc[(target, "strategy-identity"), "spearman"]
        )
    scores = [
        pd.read_parquet(evidence.results / place / "scores" / "scores.parquet")
        for place in ("", "variants/strategy-identity", "variants/other-units")
    ]
    assert scores[0]["row"].tolist() == scores[1]["row"].tolist()
    assert not (scores[0]["influence"] == scores[1]["influence"]).any()
    assert set(scores[2]["target"]) == {"other"}


def test_the_matched_control_has_the_labels_of_influence(evidence):
    folder = evidence.results / "selections"
    names = ("matched-pair/draw-1", "influence-pair")
    matched, own = (pd.read_parquet(folder / name / "top-10.parquet") for name in names)
    assert sorted(matched["label"]) == sorted(own["label"])


def test_subsets_leave_out_the_configured_share(evidence):
    window = 6 * 16
    for number in range(4):
        folder = evidence.results / "selections" / "subset" / f"draw-{number}"
        rows = pd.read_parquet(folder / "top-50.parquet")["row"]
        assert len(rows) == len(set(rows)) == window // 2
    found = table(evidence, "datamodel")
    assert set(found["subsets"]) == {4}
    assert set(found["orders"]) == {2}


def test_nothing_is_left_to_do_and_the_rest_is_as_it_was(evidence, finished):
    assert sum(evidence.planned("evidence").values()) == 0
    for name in ("tables/effects.csv", "scores/scores.parquet"):
        assert (evidence.results / name).read_bytes() == (finished.results / name).read_bytes()


def test_other_experiments_are_read(evidence):
    found = table(evidence, "replication")
    assert set(found["experiment"]) == {"twin", "brother", "all"}
    effects = pd.read_csv(evidence.results / "tables" / "effects.csv")
    removed = effects.query("intervention == 'replace' and outcome == 'formation_step'")
    for target in ("induction-1", "pair"):
        there = found.query(f"test == 'removal' and experiment == 'twin' and target == '{target}'")
        here = removed.query(f"selection == 'influence-{target}' and target == '{target}'")
        assert there["to_random"].item() == pytest.approx(here["to_random"].item(), rel=1e-4)


def test_a_change_of_a_study_remakes_that_study_alone(evidence):
    evidence.configure("studies.curvature.exact.draws", 4)
    planned = evidence.planned("evidence")
    evidence.configure("studies.curvature.exact.draws", 2)
    assert planned["study_exact"] == 1
    assert {rule for rule in planned if rule.startswith("study_")} == {"study_exact"}
    assert not {"retrain", "score_shard"} & set(planned)


def test_another_experiments_tables_count_by_content(evidence):
    before = evidence.planned("evidence")
    table = evidence.results / "twin" / "tables" / "outcomes.csv"
    os.utime(table, (2**32, 2**32))
    assert evidence.planned("evidence") == before
    text = table.read_text()
    table.write_text(f"{text}\n")
    after = evidence.planned("evidence")
    assert {rule for rule in after if rule.startswith("study_")} == {
        "study_contrasts", "study_replication", *(rule for rule in before if rule.startswith("study_"))
    }  # fmt: skip
    for study in ("study_contrasts", "study_replication"):
        assert after[study] == before[study] + 1
    table.write_text(text)


def test_an_experiment_that_has_not_been_run_is_named(evidence):
    evidence.configure("studies.larger", "wide")
    done = evidence.snakemake("evidence", check=False)
    evidence.configure("studies.larger", None)
    assert (
        "The study augmentation reads finished experiments, of which these have not been run: wide."
        in done.stdout
    )
    assert "results/wide/tables/effects.csv" in done.stdout
    assert "Traceback" not in done.stdout
