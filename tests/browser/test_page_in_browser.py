"""The page of an explained episode in a real browser: one time line moves everything. `make test-browser` runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import MISSING, Chromium, find
from fake_explanation import CUE_STEPS, explanation

from evidence.page import write_page

pytestmark = pytest.mark.browser

STATE = """({
  step: Number(document.getElementById("plot").getAttribute("aria-valuenow")),
  world: document.querySelector("#world img").getAttribute("src"),
  seen: document.querySelector("#seen img").getAttribute("src"),
  memory: Object.fromEntries([...document.querySelectorAll(".slot")].filter((slot) => slot.querySelector("img"))
    .map((slot) => [slot.dataset.slot, slot.querySelector("img").getAttribute("src")])),
  read: [...document.querySelectorAll("#read tr[data-event]")].map((row) => Number(row.dataset.event)),
  scrub: (() => {
    const plot = document.getElementById("plot").getBoundingClientRect();
    return (document.getElementById("scrub").getBoundingClientRect().left - plot.left) / plot.width;
  })(),
})"""
HINT = "document.getElementById('why-hint').innerText"
PLAYING = "document.getElementById('play').getAttribute('aria-label') === 'Pause'"


@pytest.fixture(scope="module")
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
        write_page(made, tmp_path / "page.html")
        browser.open("about:blank")
        browser.open(address + fragment)

    yield open_it
    browser.value("new Promise((done) => setTimeout(done, 50))")
    assert browser.errors == []
    assert {request.partition("#")[0] for request in browser.requests} == {address}


def expected(made: dict[str, Any], at: int) -> dict[str, Any]:
    """Say what the page must show at a step, from the definition."""
    steps, images = made["steps"], made["images"]
    memory = {}
    for step in steps[: at if made["reads_before_writing"] else at + 1]:
        for slot, strength in step["written"]:
            assert strength == 1.0
            memory[str(slot)] = images[step["seen"]]
    totals: dict[int, float] = {}
    for head in steps[at]["read"]:
        for origin, _, weight in head["from"]:
            totals[origin] = totals.get(origin, 0.0) + weight
    return {
        "step": at,
        "world": images[steps[at]["world"]],
        "seen": images[steps[at]["seen"]],
        "memory": memory,
        "read": sorted(totals, key=lambda origin: -totals[origin])[:5],
        "scrub": pytest.approx((at + 0.5) / len(steps), abs=0.002),
    }


def place(browser: Chromium, made: dict[str, Any], step: int) -> tuple[float, float]:
    """Return the point of the time line that belongs to a step."""
    box = browser.box("#plot")
    return box["x"] + (step + 0.5) / len(made["steps"]) * box["width"], box["y"] + box["height"] / 2


@pytest.mark.parametrize("reads_before_writing", [True, False])
def test_dragging_moves_film_memory_and_reads_together(browser, open_page, reads_before_writing):
    made = explanation(length=61, slots=17, heads=3, reads_before_writing=reads_before_writing)
    open_page(made)
    assert browser.value(STATE) == expected(made, 0)
    browser.mouse("Pressed", *place(browser, made, 7))
    for step in (7, 8, 40, 23, 60):
        browser.mouse("Moved", *place(browser, made, step))
        assert browser.value(STATE) == expected(made, step)
    browser.mouse("Released", *place(browser, made, 60))
    browser.mouse("Moved", *place(browser, made, 30))
    assert browser.value("now") == 60, "the button is up"
    shown = [expected(made, step) for step in (7, 8, 40, 23, 60)]
    for part in ("seen", "memory", "read"):
        assert len({json.dumps(state[part]) for state in shown}) == 5, "the steps can be told apart"


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


def test_decisions_can_be_reached_and_their_events_too(browser, open_page):
    made = explanation(length=61, decisions=3)
    open_page(made)
    decision = made["decisions"][2]
    browser.click(f'.chip[data-step="{decision["step"]}"]')
    assert browser.value(STATE) == expected(made, decision["step"])
    sets = rows_of_why(browser)
    assert len(sets) == len(decision["effects"])
    for rows, effect in zip(sets, decision["effects"], strict=True):
        assert effect["label"] in rows["what"]
        assert change_text(effect["deleted"]["likelihood_change"]) in rows["deleted"]
        assert ("replaced" in rows) == (effect["replaced"] is not None)
    assert "the same" in sets[0]["deleted"], "without the cue it would have done the same"
    assert change_text(decision["effects"][0]["replaced"]["likelihood_change"]) in sets[0]["replaced"]
    assert "replaced by the other cue: cue: ball" in sets[0]["replaced"]
    assert "left" in sets[0]["replaced"], "with the other cue it would have done something else"
    browser.click("#why tbody:nth-of-type(2) button")
    assert browser.value(STATE) == expected(made, decision["effects"][1]["steps"][0])
    what = browser.value("document.getElementById('why-what').innerText")
    assert what == "At step 4 nothing stored moves the chance of forward by 0.05 or more."
    assert rows_of_why(browser) == [], "the reason of another step is not shown as that of this one"
    assert browser.value("document.querySelectorAll('.chip[aria-current]').length") == 0


def test_what_is_left_out_is_said(browser, open_page):
    made = explanation(length=61, decisions=3, left_out=[7, 9], tried_alone=[50, 61])
    at = made["decisions"][0]["step"]
    made["decisions"][0]["tried"] = 30
    open_page(made, f"#{at}")
    assert browser.value("document.getElementById('why-extent').innerText") == "3 of 5 decisions, 50 of 61 events shown"
    assert f"The first {len(made['decisions'][0]['effects'])} of 30." in browser.value(HINT)
    what = "(show({}), document.getElementById('why-what').innerText)"
    assert "This decision was left out" in browser.value(what.format(7))
    assert rows_of_why(browser) == []
    assert browser.value(what.format(8)).endswith("(of 61 events, 50 were changed one by one).")
    assert browser.value(what.format(made["decisions"][1]["step"])).startswith("At step 30 it chose ")
    assert rows_of_why(browser) != []
    assert "The first" not in browser.value(HINT)


def rows_of_why(browser: Chromium) -> list[dict[str, str]]:
    """Return what the table says of every set of events, from the kind of a row to its text."""
    rows = "Object.fromEntries([...body.rows].map((row) => [row.className, row.innerText]))"
    sets = browser.value(f"[...document.querySelectorAll('#why tbody')].map((body) => {rows})")
    return [{kind: " ".join(text.split()) for kind, text in rows.items()} for rows in sets]


def change_text(change: float) -> str:
    return f"{'−' if change < 0 else '+'}{abs(change):.2f}" if abs(change) >= 0.005 else "0.00"


def test_beside_the_strongest_events_stands_what_others_do(browser, open_page):
    made = explanation(length=61, decisions=3)
    open_page(made, f"#{made['decisions'][1]['step']}")
    first, *others = rows_of_why(browser)
    deleted, replaced = "mean 0.01 at most 0.07 mean 0.03 at most 0.06", "mean 0.04 at most 0.19 mean 0.04 at most 0.08"
    assert first["control deleted"] == f"3 random others deleted, 10 draws {deleted} the same"
    assert first["control replaced"] == f"3 random others replaced, 10 draws {replaced} another in 3 of 10"
    assert not any("control deleted" in rows for rows in others)
    pictures = browser.value("[...document.querySelectorAll('#why .replaced .by img')].map((image) => image.src)")
    instead = [made["images"][made["steps"][step]["instead"]["seen"]] for step in (*CUE_STEPS, 4)]
    assert pictures == instead
    assert "can only be deleted" not in browser.value("document.getElementById('why').innerText")


def test_where_there_are_too_few_others_the_page_says_that_these_are_all(browser, open_page):
    made = explanation(length=61, decisions=3)
    for events, decision in enumerate(made["decisions"], start=1):
        decision["control"].update(draws=1, events=events)
    open_page(made, f"#{made['decisions'][0]['step']}")
    assert rows_of_why(browser)[0]["control deleted"].startswith("the only other deleted mean")
    browser.value(f"show({made['decisions'][1]['step']})")
    assert rows_of_why(browser)[0]["control deleted"].startswith("the only 2 others deleted mean")


def test_of_a_memory_without_events_the_page_says_that_they_can_only_be_deleted(browser, open_page):
    made = explanation(length=61, decisions=3, replaces=False)
    for decision in made["decisions"]:
        decision["control"]["replaced"] = None
        for effect in decision["effects"]:
            effect["replaced"] = None
    open_page(made, f"#{made['decisions'][1]['step']}")
    sets = rows_of_why(browser)
    assert {kind for rows in sets for kind in rows} == {"what", "deleted", "control deleted"}
    text = browser.value("document.getElementById('why-what').innerText")
    assert "this memory keeps no events: what it wrote can only be deleted, not replaced" in text


def test_of_continuous_actions_the_page_shows_densities(browser, open_page):
    made = explanation(length=61, decisions=2, action_names=None, likelihood="log density")
    for step in made["steps"]:
        step.update(action=[0.25, -1.5], probabilities=None)
    for decision in made["decisions"]:
        decision.update(action=[0.25, -1.5], likelihood=1.234)
        for effect in decision["effects"]:
            for outcome in filter(None, (effect["deleted"], effect["replaced"])):
                outcome.update(likelihood=-0.766, likelihood_change=-2.0, action_after=[0.25, 0.5])
        decision["effects"][1]["deleted"].update(action_after=[0.2501, -1.4999])
    open_page(made, f"#{made['decisions'][1]['step']}")
    assert "(0.25, -1.50) (log density 1.23)" in browser.value("document.getElementById('why-what').innerText")
    assert "log density of (0.25, -1.50)" in browser.value("document.querySelector('#why thead').innerText")
    first, second, *_ = rows_of_why(browser)
    assert "−2.00 → -0.77" in first["deleted"]
    assert "(0.25, 0.50)" in first["deleted"]
    assert "the same" in second["deleted"]
    assert "%" not in " ".join(text for rows in rows_of_why(browser) for text in rows.values())
    assert "one standard deviation" in browser.value("document.getElementById('why-hint').innerText")
    browser.click("#why tbody:nth-of-type(2) button")
    assert browser.value("now") == 4


def test_the_map_is_coloured_where_something_was_read(browser, open_page):
    made = explanation(length=29, slots=29, heads=1)
    for step in made["steps"]:
        step.update(read=[{"nothing": 1.0, "from": []}], cue=None)
    made["steps"][20]["read"] = [{"nothing": 0.1, "from": [[4, 4, 0.9]]}]
    open_page(made)
    coloured = browser.value(
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
    assert coloured == ["20 4"]


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
    held = "(show({}), document.querySelector('.slot[data-slot=\"2\"]').dataset.event)"
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


def test_a_picture_that_is_missing_is_said_to_be(browser, open_page):
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
