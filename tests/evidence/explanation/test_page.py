"""The page of an explained episode as a file; `tests/browser/` opens it."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pytest
from fake_explanation import explanation

from engram.evidence.explanation.page import LIMIT, PageTooLarge, render_page

NASTY = "</script><script>alert(1)</script> <!-- <script> {{data}} {% raw %} \u2028 & \"quoted\" 'too' \\u003c"


class Elements(HTMLParser):
    """What a browser makes of the page: its elements, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            place = len(self.elements) - 1
            self.texts[place] = self.texts.get(place, "") + data

    def text(self, tag: str, **wanted: str) -> str:
        (place,) = (
            place
            for place, (name, attributes) in enumerate(self.elements)
            if name == tag and wanted.items() <= attributes.items()
        )
        return self.texts[place]


def test_the_page_holds_the_episode_as_it_was_given() -> None:
    made = explanation(length=13, slots=5, heads=2)
    page = Elements(render_page(made, "page.html"))
    assert json.loads(page.text("script", type="application/json")) == made
    assert page.text("title") == made["title"]
    assert "mission: go to the red ball" in page.texts.values()


def test_no_text_of_the_episode_leaves_its_place() -> None:
    texts = ("title", "env", "memory", "controller", "command", "run", "checkpoint", "git_commit", "layout")
    made = explanation(length=7, slots=5, heads=2, notes=[NASTY], **dict.fromkeys(texts, NASTY))
    made["steps"][3]["caption"] = NASTY
    made["texts"] = {NASTY: NASTY}
    text = render_page(made, "page.html")
    page = Elements(text)
    assert json.loads(page.text("script", type="application/json")) == made
    assert page.text("title") == page.text("h1") == page.text("li") == NASTY
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert text.count("</script") == 2


def test_scripts_run_in_the_order_of_their_numbers() -> None:
    text = render_page(explanation(length=7), "page.html")
    parts = ("const episode =", "drawFilm(step) {", "drawMemory(step) {", "drawRead(step) {", "drawWhy(step) {")
    places = [text.index(part) for part in (*parts, "function drawTracks() {", "const KEYS =")]
    assert places == sorted(places)


def test_the_page_needs_nothing_but_itself() -> None:
    text = render_page(explanation(length=7), "page.html")
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttpRequest", text)
    for tag, attributes in Elements(text).elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), tag
    assert "default-src 'none'" in text


def test_a_realistic_page_is_small() -> None:
    assert len(render_page(explanation(length=61, slots=64, heads=4), "page.html").encode()) < 200_000


def test_a_page_that_would_be_too_large_is_refused_in_one_line() -> None:
    made = explanation(length=7, images=["data:image/png;base64," + "A" * LIMIT])
    with pytest.raises(
        PageTooLarge,
        match=r"^page\.html would be 5\.\d MB \(5\.0 MB of it pictures\) and may be 5: explain a shorter .*$",
    ):
        render_page(made, "page.html")


def test_the_limit_counts_bytes() -> None:
    notes = ["é" * (LIMIT // 4)]  # of two bytes, and they stand in the page twice
    assert len(render_page(explanation(length=7, notes=["e" * (LIMIT // 4)]), "page.html")) < LIMIT
    with pytest.raises(PageTooLarge):
        render_page(explanation(length=7, notes=notes), "page.html")


def test_a_number_that_is_not_finite_is_refused() -> None:
    made = explanation(length=7)
    made["steps"][2]["value"] = math.nan
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_page(made, "page.html")
