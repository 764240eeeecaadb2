"""The report in a real browser: nothing is cut off, text is text, and links lead somewhere."""

import base64

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import made_up
from browser.test_page import CONTRAST
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect
from project import ROOT

from mda.evidence import finding
from mda.report import front_page, table_view
from mda.steps.report import report
from mda.studies import findings

# The effects, as they are in the file: of two outcomes, with intervals.
EFFECTS = pd.DataFrame(
    [
        {"target": "unit", "outcome": outcome, "better": better, "intervention": kind, "selection": "random",
         "to_base": value, "to_base_low": value - 1, "to_base_high": value + 1}
        for outcome, better in (("formation_step", "lower"), ("score_area", "higher"))
        for kind, value in (("replace", 3.0), ("mask", 20.0), ("duplicate", -5.0), ("augment", np.nan))
    ]
)  # fmt: skip
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> `_ **'


def item(path, **more):
    return front_page.Item.model_validate(
        {
            "path": path, "rule": "plot_study_dose", "category": "Studies",
            "labels": {"figure": path.stem, "target": "all"},
            "caption": ROOT / "workflow" / "mda" / "studies" / "dose" / "caption.rst",
            "wildcards": {}, **more,
        }
    )  # fmt: skip


@pytest.fixture
def path(tmp_path, default):
    """A report with a wide figure, a long table, and markup wherever text can stand."""
    results = tmp_path / "results"
    (results / "evidence").mkdir(parents=True)
    found = findings.judge({}, [HOSTILE], finding.Settings(0.1, 0.95, 60, "evidence", True))
    found.loc[0, ["value", "low", "high", "unit", "detectable", "runs", "verdict", "file", "rule"]] = [
        1234.5678, -0.000123456, 10.0, "steps", 12.0, 4, finding.REPRODUCED,
        "evidence/effects.csv", "effects",
    ]  # fmt: skip
    found.to_csv(results / "findings.csv", index=False)
    table = pd.DataFrame({f"column_{number}": np.arange(400) / 7 for number in range(40)})
    table.insert(0, HOSTILE, HOSTILE)
    table.to_csv(results / "evidence" / "dose.csv", index=False)
    EFFECTS.to_csv(results / "evidence" / "effects.csv", index=False)
    told = PngInfo()
    told.add_text("Alt", HOSTILE)
    Image.new("RGB", (1600, 700), "#c1272d").save(results / "dose.png", pnginfo=told)
    (results / "config.yaml").write_text(yaml.safe_dump(default))
    made_up.write(results / "index.html", [])
    (results / "targets.json").write_text(
        '{"targets": {"induction-1": {"units": ["L1H0"]}}, "made_by": "{}"}'
    )
    items = [
        item(
            results / "dose.png",
            labels={"figure": HOSTILE, "target": "all"},
            question="How does it grow?",
        ),
        item(results / "evidence" / "dose.csv"),
        item(results / "evidence" / "effects.csv"),
        item(results / "index.html", category="Samples"),
    ]
    out = results / "evidence.html"
    template = ROOT / "workflow" / "report" / "report.html.j2"
    report.write(
        results / "findings.csv",
        results / "config.yaml",
        results / "targets.json",
        [template],
        items,
        str(results / "benchmarks"),
        str(results / "logs"),
        True,
        True,
        out,
    )
    return out


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(path, visit, width):
    page = visit(path, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The figure is there, whole, and where it would be too small to read it scrolls in its frame.
    frame, shown = page.locator(".wide:has(img)").bounding_box(), page.locator("img").bounding_box()
    assert frame["x"] >= 0 and frame["x"] + frame["width"] <= width
    assert shown["width"] >= 600 and (width < 600 or shown["width"] <= frame["width"])
    assert page.eval_on_selector(".wide:has(img)", "e => getComputedStyle(e).overflowX") == "auto"
    assert page.evaluate("document.querySelector('img').naturalWidth") == 1600
    # What does not fit says so.
    assert page.locator(".cue").first.is_visible() == (width < 600)
    page.click("#file-evidence-dose-csv > details > summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1000, 1280, 1800])
def test_a_figure_fills_its_card_and_cards_the_window(path, visit, width):
    page = visit(path, width=width)
    figure = page.locator("#file-dose-png .wide").bounding_box()
    assert page.locator("#file-dose-png img").bounding_box()["width"] == pytest.approx(figure["width"], abs=1)
    across = {page.locator(f"#file-{name}").bounding_box()["width"] for name in ("dose-png", "index-html")}
    assert min(across) >= 800
    # Lines of text do not become longer with the window.
    assert page.locator("#file-dose-png p:visible").first.bounding_box()["width"] < 1100


def test_a_figure_is_no_white_hole_in_the_dark(path, visit):
    page = visit(path, color_scheme="dark")
    style = page.eval_on_selector(
        "#file-dose-png img", "e => [getComputedStyle(e).filter, parseFloat(getComputedStyle(e).padding)]"
    )
    assert style[0] != "none" and style[1] > 8
    page.emulate_media(media="print")
    assert page.eval_on_selector("#file-dose-png img", "e => getComputedStyle(e).filter") == "none"


def test_hostile_text_is_text(path, visit):
    """The fixture sees to it that there was no dialog, complaint or request."""
    page = visit(path)
    page.click("#file-evidence-dose-csv > details > summary")
    assert page.inner_text("h3").startswith(HOSTILE)
    assert HOSTILE in page.inner_text("h2")
    assert f"{HOSTILE} {HOSTILE}" in page.inner_text("#file-evidence-dose-csv .more")
    assert page.get_attribute("img", "alt") == HOSTILE
    assert page.locator("script").count() == 1


def test_the_page_of_the_samples_works_inside(path, visit):
    """Though the report itself may ask for nothing."""
    frame = visit(path).frame_locator("iframe")
    expect(frame.locator("#status")).to_have_text("No samples")


def test_every_finding_stands_with_its_verdict_and_where_it_comes_from(path, visit):
    page = visit(path)
    first = page.locator("tbody tr").first.inner_text()
    assert "1235 [0, 10] steps" in first
    assert "4 runs find an effect of 12 steps four times out of five" in first
    assert "evidence/effects.csv, rule effects" in first
    assert page.locator(".findings .verdict").all_inner_texts().count("reproduced") == 1
    assert page.locator(".findings .verdict").count() == len(findings.FINDINGS) + len(findings.VALIDITY)


def test_links_lead_somewhere_though_the_page_is_mailed_alone(path, visit, tmp_path):
    alone = tmp_path / "mailed" / "report.html"
    alone.parent.mkdir()
    path.replace(alone)
    page = visit(alone)
    places = page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
    for place in places:
        if place.startswith("#"):
            assert page.locator(f"[id='{place[1:]}']").count() == 1, place
        else:
            assert place.startswith(("https://", "data:text/csv;base64,")), place
    assert "#file-evidence-effects-csv" in places
    carried = [base64.b64decode(place.partition(",")[2]) for place in places if place.startswith("data:")]
    assert (path.parent / "evidence" / "effects.csv").read_bytes() in carried
    with page.expect_download() as saved:
        page.click("#file-evidence-effects-csv .download")
    assert saved.value.suggested_filename == "evidence-effects.csv"


def test_a_long_table_says_what_it_leaves_out(path, visit):
    page = visit(path)
    page.click("#file-evidence-dose-csv > details > summary")
    assert page.locator("#file-evidence-dose-csv tbody tr").count() == table_view.LINES
    assert "The first 300 of 400 lines; the file has all." in page.inner_text("#file-evidence-dose-csv")


def shown(page, column):
    rows = page.locator("#file-evidence-effects-csv tbody tr:visible")
    return [row.locator("td").nth(column).inner_text() for row in rows.all()]


def test_a_table_has_an_outcome_at_a_time_intervals_in_a_cell_and_the_meaning_of_its_columns(path, visit):
    page = visit(path)
    table = page.locator("#file-evidence-effects-csv")
    table.locator("summary").first.click()
    # What is the same in every line stands above, and what is of an outcome with its name.
    assert table.locator(".tabs button").all_inner_texts() == [
        "formation_step (better lower)",
        "score_area (better higher)",
    ]
    assert "In every line: target unit, selection random." in table.inner_text()
    assert table.locator("th").all_inner_texts() == ["intervention", "to_base"]
    assert shown(page, 1) == ["3 [2, 4]", "20 [19, 21]", "-5 [-6, -4]", ""]
    table.locator("button[data-tab=score_area]").click()
    assert len(shown(page, 0)) == 4
    assert table.locator("[data-tab=score_area][aria-pressed=true]").count() == 1
    assert table.locator("tr:visible[data-tab=formation_step]").count() == 0
    assert "mask (removal: they are read, but do not train" in table.locator("th").first.get_attribute(
        "title"
    )
    table.locator("summary", has_text="What the columns mean").click()
    assert "Mean difference to the base" in table.inner_text()


def test_a_table_is_sorted_by_the_column_that_is_clicked(path, visit):
    page = visit(path)
    page.click("#file-evidence-effects-csv > details > summary")
    head = page.locator("#file-evidence-effects-csv th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    # By number, and what is empty last.
    assert shown(page, 1) == ["-5 [-6, -4]", "3 [2, 4]", "20 [19, 21]", ""]
    head.locator("button").press("Enter")
    assert shown(page, 1) == ["20 [19, 21]", "3 [2, 4]", "-5 [-6, -4]", ""]
    page.locator("#file-evidence-effects-csv th button").first.click()
    assert shown(page, 0) == ["augment", "duplicate", "mask", "replace"]


def test_the_head_of_a_long_table_stays(path, visit):
    page = visit(path)
    page.click("#file-evidence-dose-csv > details > summary")
    frame = page.locator("#file-evidence-dose-csv .wide")
    frame.evaluate("frame => frame.scrollTop = 2000")
    assert frame.locator("th").first.bounding_box()["y"] == pytest.approx(frame.bounding_box()["y"], abs=2)


def test_a_word_says_what_it_means_where_it_stands_and_on_paper(path, visit):
    page = visit(path)
    word = page.locator(".lead a.word", has_text="influence")
    assert word.get_attribute("title").startswith("How much training on a sample strengthens (+)")
    label = page.locator(".facts a.word", has_text="tiled")
    assert label.get_attribute("title").startswith(
        "A label of this corpus: 50 % of the documents: one random"
    )
    word.click()
    assert page.evaluate("document.querySelector(':target').textContent") == "Influence"
    page.emulate_media(media="print")
    assert page.locator("#words dd").first.is_visible()
    assert page.evaluate("document.querySelectorAll('.lead a.word').length") >= 3
    # Once in each paragraph, and never in code or in a link.
    assert page.locator("a a, code a.word").count() == 0


def test_the_first_screen_answers_what_a_reader_asks(path, visit):
    page = visit(path)
    told = page.inner_text("header") + page.inner_text("#answer")
    assert "tiled, 50 % of the documents: one random motif" in page.inner_text("#settings")
    for words in (
        "head 0 of layer 1 (L1H0)",
        "Metric",
        "Prefix-matching score: mean attention",
        "1,152 samples",
        "the strongest induction head at step 240",
        "Better than repetition?",
        "Better than the loss?",
    ):
        assert words in told, words
    for question in ("How sure is this?", "Which samples?", "What was not tested?", "Where are the numbers?"):
        assert question in told
    page.click("#answer .guide a[href^='#fold']")
    assert page.locator(".fold .claim").first.is_visible()


def test_on_paper_tables_that_are_folded_are_named_and_claims_stay_a_table(path, visit):
    page = visit(path)
    folded, names = page.locator("#file-evidence-dose-csv"), page.locator(".paper code", has_text="dose.csv")
    assert folded.is_visible() and not names.is_visible()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 690, "height": 900})
    assert not folded.is_visible() and names.is_visible()
    assert page.locator(".findings thead").first.is_visible()
    page.evaluate("document.querySelector('#file-evidence-dose-csv details').open = true")
    assert folded.is_visible()


def test_a_study_says_what_it_asks(path, visit):
    assert visit(path).locator("#file-dose-png .question").inner_text() == "How does it grow?"


def test_what_says_nothing_is_folded_away_and_opens_on_paper(path, visit):
    page = visit(path)
    last = page.locator(".fold .claim").last
    assert not last.is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert last.is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not last.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(path, visit, scheme):
    page = visit(path, color_scheme=scheme)
    assert page.evaluate(CONTRAST) >= 4.5
    page.emulate_media(media="print")
    assert page.evaluate(CONTRAST) >= 4.5
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
