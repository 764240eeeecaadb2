"""The report of a trace in a real browser: its names lead to their texts, and its tables fit a phone."""

import re

import pytest
from playwright.sync_api import expect
from unit.report.test_trace_report import results, shown, written  # noqa: F401


def test_the_name_of_a_document_shows_its_row_in_the_sample_browser(results, visit):  # noqa: F811
    rows = shown(results)
    written(results)
    page = visit(results / "report.html", ready="h1")
    frame = page.frame_locator("iframe")
    for link, row in (("#answer a[data-sample]", ("top", 1)), (".fold td a", ("top", 1))):
        page.evaluate("scrollTo(0, 0)")
        page.locator(link).first.click()
        expect(frame.locator("dd.row")).to_have_text([str(rows[row])])
        expect(frame.locator("article").first).to_be_in_viewport()
        # The frame has no address that one could send.
        expect(frame.locator("#only")).to_contain_text(f"Only row {rows[row]} is shown.")
        expect(frame.locator("article button")).to_have_count(0)
    # The other end is folded away at first.
    page.locator("summary", has_text=re.compile("lowest")).first.click()
    page.locator(f".fold td a[data-sample$='row={rows['bottom', 1]}']").click()
    expect(frame.locator("dd.row")).to_have_text([str(rows["bottom", 1])])
    # From there one gets to all of them again.
    frame.locator("#all").click()
    expect(frame.locator("dd.row")).to_have_count(6)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window_and_tables_scroll_in_their_boxes(results, visit, width):  # noqa: F811
    written(results)
    page = visit(results / "report.html", width=width, ready="h1")
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ends = page.evaluate(
        "[...document.querySelectorAll('.wide')].map((box) => [box.getBoundingClientRect().right, "
        "getComputedStyle(box).overflowX])"
    )
    assert ends and all(right <= width and overflow == "auto" for right, overflow in ends)
