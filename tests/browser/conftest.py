"""A real browser for the tests of this folder, and what it must never be seen to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without chromium the tests of this folder are skipped; in continuous integration they fail."""
    for item in items:
        if Path(__file__).parent in item.path.parents and CHROMIUM is None and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


@pytest.fixture(scope="package")
def chromium() -> Iterator:
    """Debian's own; playwright only drives it.

    While it is open, playwright's event loop runs in this thread, and no other test can run one of
    its own. So it ends with this folder's tests, not with the session.
    """
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "continuous integration needs chromium, but it is not installed"
    with sync_playwright() as playwright:
        # As root it has no sandbox.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Seen:
    """What a page did that it must not: dialogs, complaints, requests."""

    def __init__(self, page) -> None:
        self.events: list[str] = []
        page.on("dialog", lambda dialog: (self.events.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: self.events.append(f"console {message.text}"))
        page.on("pageerror", lambda error: self.events.append(f"error {error}"))
        page.on("request", self._request)

    def _request(self, request) -> None:
        # The page itself, and its empty icon.
        if not request.url.startswith(("file://", "data:,")):
            self.events.append(f"request {request.url}")


@pytest.fixture
def visit(chromium) -> Iterator:
    """Opens a page of a file, at a size; it must have done nothing wrong when the test ends."""
    watched: list[Seen] = []
    contexts = []

    def open_page(
        path: Path,
        state: str = "",
        width: int = 1280,
        height: int = 900,
        ready: str = "article, .none",
        **settings,
    ):
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **settings))
        page = contexts[-1].new_page()
        watched.append(Seen(page))
        page.goto(path.as_uri() + state)
        page.wait_for_selector(ready)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [event for seen in watched for event in seen.events] == []
