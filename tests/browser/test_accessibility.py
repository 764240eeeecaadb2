"""axe-core on every page, in both colour schemes: contrast, names, roles, order of headings."""

from axe_playwright_python.sync_playwright import Axe
from browser import made_up
from browser.test_report import path as report  # noqa: F401
from unit.report.test_trace_report import results, written  # noqa: F401


def violations(page):
    """What axe-core finds on a page with everything unfolded, a line each with the first place.

    In the dark scheme only what depends on it. Of long tables it looks at the first lines; the sample browser
    inside of a report is looked at by itself.
    """
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    context = {"exclude": ["tbody tr:nth-child(n + 4)"]}
    told = []
    for scheme, more in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        options = {"resultTypes": ["violations"], "iframes": False, **more}
        found = Axe().run(page, context, options).response
        assert found["passes"] + found["violations"], "axe-core looked at nothing"
        told += [
            f"{scheme}, {one['id']}: {one['help']}, {len(one['nodes'])} times: "
            f"{one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}"
            for one in found["violations"]
        ]
    return told


def test_it_sees_what_is_wrong(visit, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><title>t</title><style>p { color: #888; background: #999 } "
        "@media (prefers-color-scheme: dark) { p { color: #222; background: #111 } }</style>"
        "<article><p>words</p></article><button></button>"
    )
    found = [line.split(":")[0] for line in violations(visit(page))]
    assert {"light, color-contrast", "dark, color-contrast", "light, button-name"} <= set(found)


def test_the_report(report, visit):  # noqa: F811
    assert violations(visit(report)) == []


def test_the_report_of_a_trace(results, visit):  # noqa: F811
    written(results)
    assert violations(visit(results / "report.html", ready="h1")) == []


def test_the_sample_browser(tmp_path, visit):
    page = made_up.write(tmp_path / "index.html", made_up.lines(30))
    assert violations(visit(page, "#side=both")) == []


def test_the_browser_of_all_samples(tmp_path, visit):
    texts = [f"number {place}\n" * (1 + 10 * (place % 2)) for place in range(200)]
    page = made_up.write_all(tmp_path / "all", made_up.scored(200), texts, [["a name"]] * 200)
    assert violations(visit(page, "#other=pair&search=number&from=-9")) == []
