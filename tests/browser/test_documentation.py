"""The documentation, opened as files: pages draw, fit a phone, fetch nothing, and can be searched."""

import os
import subprocess
import sys

import pytest
from project import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    return folder


def test_the_search_works_without_a_server(site, visit):
    page = visit(site / "explanation" / "method.html")
    page.fill("input.md-search__input", "damping")
    page.wait_for_selector(".md-search-result__item")
    found = page.locator(".md-search-result__item").all_inner_texts()
    assert any("Damping and floor" in text for text in found)


@pytest.mark.parametrize("name", ["index", "tutorial", "findings", "reference/results", "explanation/method"])
def test_no_page_is_wider_than_a_phone(site, visit, name):
    """Wide tables and blocks scroll by themselves."""
    page = visit(site / f"{name}.html", width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("h1").is_visible()
