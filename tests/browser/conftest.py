"""A headless Chromium, and pages opened in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import MISSING, Chromium, find

from engram.evidence.explanation.page import render_page


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    binary = find()
    if binary is None:
        pytest.fail(MISSING)
    browser = Chromium(binary, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser: Chromium, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Open the page of an episode; at the end the console must be clean, and nothing but the page asked for."""
    address = (tmp_path / "page.html").as_uri()

    def open_it(made: dict[str, Any], fragment: str = "") -> None:
        (tmp_path / "page.html").write_text(render_page(made, "page.html"))
        browser.open("about:blank")
        browser.open(address + fragment)

    yield open_it
    browser.value("new Promise((done) => setTimeout(done, 50))")
    assert browser.errors == []
    assert {request.partition("#")[0] for request in browser.requests} == {address}
