"""The page of an explained episode in a real browser: one time line moves everything. `make test-browser` runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chromium import Chromium
from fake_explanation import CUE_STEPS, explanation
from shown import STATE, expected

pytestmark = pytest.mark.browser

PLAYING = "document.getElementById('play').getAttribute('aria-label') === 'Pause'"


def place(browser: Chromium, made: dict[str, Any], step: int) -> tuple[float, float]:
    """Return the point of the time line that belongs to a step."""
    box = browser.box("#plot")
    return box["x"] + (step + 0.5) / len(made["steps"]) * box["width"], box["y"] + box["height"] / 2


@pytest.mark.parametrize("reads_before_writing", [True, False])
def test_dragging_moves_film_memory_and_reads_together(browser, open_page, reads_before_writing):
    made = explanation(length=61, slots=17, heads=3, reads_before_writing=reads_before_writing)
    open_page(made)
    assert browser.value(STATE) == expected(made, made["decisions"][-1]["step"]), "what a reader came for"
    browser.mouse("Pressed", *place(browser, made, 7))
    for step in (7, 8, 40, 23, 60):
        browser.mouse("Moved", *place(browser, made, step))
        assert browser.value(STATE) == expected(made, step)
    browser.mouse("Released", *place(browser, made, 60))
    browser.mouse("Moved", *place(browser, made, 30))
    assert browser.value("now") == 60, "the button is up"
    shown = [expected(made, step) for step in (7, 8, 40, 23, 60)]
    for part in ("seen", "memory", "read"):
        assert len({json.dumps(state[part]) for state in shown}) == 5, "the steps differ"


def test_dragging_beyond_the_ends_stays_at_the_ends(browser, open_page):
    made = explanation(length=61)
    open_page(made)
    x, y = place(browser, made, 30)
    browser.mouse("Pressed", x, y)
    browser.mouse("Moved", 1, y)
    assert browser.value(STATE) == expected(made, 0)
    browser.mouse("Moved", 1439, y)
    assert browser.value(STATE) == expected(made, 60)
    browser.mouse("Released", 1439, y)


def test_keys_move_everything(browser, open_page):
    made = explanation(length=61, decisions=3)
    open_page(made)
    decisions = [decision["step"] for decision in made["decisions"]]
    presses = [
        ("ArrowRight", False, 1),
        ("ArrowRight", True, 11),
        ("ArrowLeft", False, 10),
        ("ArrowLeft", True, 0),
        ("ArrowLeft", False, 0),
        ("n", False, decisions[0]),
        ("n", False, decisions[1]),
        ("p", False, decisions[0]),
        ("p", False, decisions[0]),
    ]
    browser.value("show(0)")
    for key, shift, step in presses:
        browser.press(key, shift)
        assert browser.value(STATE) == expected(made, step), key
    browser.value("document.getElementById('plot').focus()")
    for key, step in (("End", 60), ("ArrowRight", 60), ("ArrowDown", 59), ("Home", 0), ("ArrowUp", 1)):
        browser.press(key)
        assert browser.value(STATE) == expected(made, step), key


def test_play_goes_to_the_end_and_starts_again(browser, open_page):
    made = explanation(length=29)
    open_page(made)
    browser.value("document.getElementById('speed').value = '60'")
    browser.click("#play")
    assert browser.value(PLAYING)
    browser.until(f"now === {len(made['steps']) - 1} && !({PLAYING})")
    assert browser.value(STATE) == expected(made, 28)
    browser.click("#play")
    browser.until("now > 0 && now < 28")
    browser.value("document.activeElement.blur()")
    browser.press(" ")
    assert not browser.value(PLAYING)
    stopped = browser.value("now")
    browser.value("new Promise((done) => setTimeout(done, 100))")
    assert browser.value(STATE) == expected(made, stopped)


def test_an_event_leads_to_the_step_that_stored_it(browser, open_page):
    made = explanation(length=61, slots=17, heads=3)
    open_page(made, "#50")
    assert browser.value("now") == 50
    browser.click('.slot[data-slot="5"]')  # written at steps 5, 22, 39 and 56
    assert browser.value(STATE) == expected(made, 39)
    assert browser.value("document.querySelector('.slot.written').dataset.slot") == "5"
    browser.value("show(50)")
    stored = expected(made, 50)["read"][1]
    browser.click(f'#read tr[data-event="{stored}"] button')
    assert browser.value(STATE) == expected(made, stored)


def test_the_map_is_colored_where_something_was_read(browser, open_page):
    made = explanation(length=29, slots=29, heads=1)
    for step in made["steps"]:
        step.update(read=[{"nothing": 1.0, "from": []}], cue=None)
    made["steps"][20]["read"] = [{"nothing": 0.1, "from": [[4, 4, 0.9]]}]
    open_page(made)
    colored = browser.value(
        """(() => {
          const canvas = document.querySelector("#track-attention canvas");
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const found = new Set();
          for (let place = 0; place < canvas.width * canvas.height; place += 1) {
            if (!pixels[4 * place + 3]) continue;
            const x = (place % canvas.width) + 0.5, y = canvas.height - Math.floor(place / canvas.width) - 0.5;
            found.add(`${Math.floor((x / canvas.width) * 29)} ${Math.floor((y / canvas.height) * 29)}`);
          }
          return [...found];
        })()"""
    )
    assert colored == ["20 4"]


def test_a_head_can_be_hidden(browser, open_page):
    open_page(explanation(length=29, slots=29, heads=2), "#step=20")
    outlined = "[...document.querySelectorAll('.slot.read')].map((slot) => slot.dataset.slot)"
    both = browser.value(outlined)
    browser.click("#heads label:nth-child(1) input")
    second = browser.value(outlined)
    browser.click("#heads label:nth-child(2) input")
    assert browser.value(outlined) == []
    assert set(second) < set(both)


def test_a_slot_shows_its_last_strong_writer(browser, open_page):
    made = explanation(length=29, slots=5, heads=1, reads_before_writing=False)
    for step in made["steps"]:
        step["written"] = []
    made["steps"][3]["written"] = [[2, 0.9]]
    made["steps"][6]["written"] = [[2, 0.2]]
    made["steps"][9]["written"] = [[2, 0.6]]
    open_page(made)
    held = "(show({}), document.querySelector('.slot[data-slot=\"2\"]').dataset.go)"
    assert [browser.value(held.format(step)) for step in (2, 3, 6, 9)] == ["-1", "3", "3", "9"]


def no_memory() -> dict[str, Any]:
    made = explanation(
        length=19, slots=0, heads=0, decisions=0, success=None, action_names=None, git_commit=None, notes=[]
    )
    for step in made["steps"]:
        step.update(world=None, action=[0.25, -1.5], probabilities=None, cue=None, gate=None, read=[])
    return made


def missing_pictures() -> dict[str, Any]:
    made = explanation(length=19, slots=7)
    made["images"][made["steps"][2]["seen"]] = "data:image/png;base64,AAAA"
    made["steps"][3].update(world=None, seen=9999)
    made["steps"][4]["read"][0]["from"].append([-1, 3, 0.1])
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "make",
    [
        no_memory,
        missing_pictures,
        lambda: explanation(length=1, decisions=0),
        lambda: explanation(length=2000, slots=512, decisions=40),
        lambda: explanation(length=0, decisions=0),
        lambda: explanation(length=19, heads=9, slots=0),
    ],
    ids=["no memory", "missing pictures", "one step", "long", "no steps", "heads without slots"],
)
def test_nothing_goes_wrong_where_something_is_missing(browser, open_page, make, scheme):
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    made = make()
    open_page(made)
    for step in range(min(len(made["steps"]), 20)):
        browser.value(f"show({step})")
        assert browser.value("now") == step


def test_a_missing_picture_is_marked_as_missing(browser, open_page):
    made = missing_pictures()
    open_page(made, "#3")
    assert "no picture" in browser.value("document.querySelector('#seen [role=img]').getAttribute('aria-label')")
    browser.value("show(2)")
    browser.until("document.querySelector('#seen [role=img]') !== null")
    browser.value("show(1)")
    assert browser.value("document.querySelector('#seen img').src") == made["images"][made["steps"][1]["seen"]]


def test_text_of_the_episode_is_shown_as_text(browser, open_page):
    nasty = "<img src=x onerror=\"console.error('ran')\"></script><script>console.error('ran')</script>"
    made = explanation(length=29, title=nasty, env=nasty, notes=[nasty], layout=nasty, action_names=[nasty] * 3)
    for step in made["steps"]:
        step["caption"] = nasty
    for effect in made["decisions"][0]["effects"]:
        effect["label"] = nasty
    open_page(made, "#20")
    assert browser.value("document.querySelectorAll('img[src=x]').length") == 0
    assert browser.value("document.querySelector('h1').textContent") == nasty
    assert browser.value("document.getElementById('caption').textContent") == nasty


@pytest.mark.parametrize("width", [420, 900, 1440])
def test_the_page_fits_the_window(browser, open_page, width):
    browser.resize(width, 900)
    open_page(explanation(length=61), "#30")
    assert browser.value("document.documentElement.scrollWidth") <= width
    browser.resize(1440, 900)


def test_controls_have_names_for_those_who_cannot_see_them(browser, open_page):
    open_page(explanation(length=61), f"#{CUE_STEPS[0]}")
    nameless = (
        "[...document.querySelectorAll('button')].filter((one) => !(one.ariaLabel ?? one.innerText).trim()).length"
    )
    assert browser.value(nameless) == 0
    assert browser.value("document.querySelectorAll('main img:not([alt])').length") == 0
    slider = browser.value("document.getElementById('plot').getAttribute('aria-valuetext')")
    assert slider.startswith(f"step {CUE_STEPS[0]} of 60: ")
