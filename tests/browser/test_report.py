"""The report in a real browser: nothing is cut off, text is text, and links lead somewhere."""

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import made_up
from PIL import Image
from playwright.sync_api import expect
from project import ROOT

from mda.evidence import finding
from mda.report import front_page
from mda.steps.report import report
from mda.studies import findings

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
    Image.new("RGB", (1600, 700), "#c1272d").save(results / "dose.png")
    (results / "config.yaml").write_text(yaml.safe_dump(default))
    made_up.write(results / "index.html", [])
    (results / "targets.json").write_text('{"targets": {"unit": {"units": ["L1H0"]}}, "made_by": "{}"}')
    items = [
        item(results / "dose.png", labels={"figure": HOSTILE, "target": "all"}),
        item(results / "evidence" / "dose.csv"),
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
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_text_is_text(path, visit):
    """The fixture sees to it that there was no dialog, complaint or request."""
    page = visit(path)
    page.locator("summary").first.click()
    assert page.inner_text("h3").startswith(HOSTILE)
    assert HOSTILE in page.inner_text("h2")
    assert HOSTILE in page.locator("th").all_inner_texts()
    assert page.locator("script").count() == 0


def test_the_page_of_the_samples_works_inside(path, visit):
    """Though the report itself may ask for nothing."""
    frame = visit(path).frame_locator("iframe")
    expect(frame.locator("#status")).to_have_text("No samples")


def test_every_finding_stands_with_its_verdict_and_where_it_comes_from(path, visit):
    page = visit(path)
    first = page.locator("tbody tr").first.inner_text()
    assert "1235 [-0.000123, 10] steps" in first
    assert "detectable 12 (n = 4)" in first
    assert "evidence/effects.csv, rule effects" in first
    assert page.locator(".findings .verdict").all_inner_texts().count("reproduced") == 1
    assert page.locator(".findings .verdict").count() == len(findings.FINDINGS) + len(findings.VALIDITY)


def test_links_within_the_page_and_to_files_lead_somewhere(path, visit):
    page = visit(path)
    places = page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
    for place in places:
        if place.startswith("#"):
            assert page.locator(f"[id='{place[1:]}']").count() == 1, place
        elif not place.startswith("https://"):
            lacking = ("evidence/effects.csv", "evidence/findings.csv")
            assert (path.parent / place).exists() or place in lacking, place


def test_a_long_table_says_what_it_leaves_out(path, visit):
    page = visit(path)
    page.locator("summary").first.click()
    assert page.locator(".wide tbody tr").count() == front_page.LINES
    assert "The first 300 of 400 lines; the file has all." in page.inner_text("details")
