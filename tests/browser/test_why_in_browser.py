"""Why an action was taken, as the page explains it in a real browser. `make test-browser` runs it."""

from __future__ import annotations

import pytest
from chromium import Chromium
from fake_explanation import CUE_STEPS, explanation
from shown import HINT, STATE, expected

pytestmark = pytest.mark.browser


def rows_of_why(browser: Chromium) -> list[dict[str, str]]:
    """Return the table's rows of every set of events, from the kind of a row to its text."""
    rows = "Object.fromEntries([...body.rows].map((row) => [row.className, row.innerText]))"
    sets = browser.value(f"[...document.querySelectorAll('#why tbody')].map((body) => {rows})")
    return [{kind: " ".join(text.split()) for kind, text in rows.items()} for rows in sets]


def change_text(change: float) -> str:
    return f"{'−' if change < 0 else '+'}{abs(change):.2f}" if abs(change) >= 0.005 else "0.00"


def test_decisions_can_be_reached_and_their_events_too(browser, open_page):
    made = explanation(length=61, decisions=3)
    open_page(made)
    decision = made["decisions"][2]
    browser.click(f'.chip[data-go="{decision["step"]}"]')
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
    assert what == "At step 4 no stored event changes the chance of forward by 0.05 or more."
    assert rows_of_why(browser) == [], "the reason of another step is not shown as that of this one"
    assert browser.value("document.querySelectorAll('.chip[aria-current]').length") == 0


def test_the_page_names_what_is_left_out(browser, open_page):
    made = explanation(length=61, decisions=3, left_out=[7, 9], tried_alone=[50, 61])
    at = made["decisions"][0]["step"]
    made["decisions"][0]["tried"] = 30
    open_page(made, f"#{at}")
    assert (
        browser.value("document.getElementById('why-extent').innerText") == "3 of 5 decisions, 50 of 61 single events"
    )
    assert f"The first {len(made['decisions'][0]['effects'])} of 30." in browser.value(HINT)
    what = "(show({}), document.getElementById('why-what').innerText)"
    assert "This decision is left out" in browser.value(what.format(7))
    assert rows_of_why(browser) == []
    assert browser.value(what.format(8)).endswith("(50 of 61 events were edited one by one).")
    assert browser.value(what.format(made["decisions"][1]["step"])).startswith("At step 30 it chose ")
    assert rows_of_why(browser) != []
    assert "The first" not in browser.value(HINT)


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
    assert "but not replaced" not in browser.value("document.getElementById('why').innerText")


def test_where_there_are_too_few_others_the_page_names_them_as_all(browser, open_page):
    made = explanation(length=61, decisions=3)
    for events, decision in enumerate(made["decisions"], start=1):
        decision["control"].update(draws=1, events=events)
    open_page(made, f"#{made['decisions'][0]['step']}")
    assert rows_of_why(browser)[0]["control deleted"].startswith("the only other deleted mean")
    browser.value(f"show({made['decisions'][1]['step']})")
    assert rows_of_why(browser)[0]["control deleted"].startswith("the only 2 others deleted mean")


def test_of_a_memory_without_events_the_page_notes_that_they_can_only_be_deleted(browser, open_page):
    made = explanation(length=61, decisions=3, replaces=False)
    for decision in made["decisions"]:
        decision["control"]["replaced"] = None
        for effect in decision["effects"]:
            effect["replaced"] = None
    open_page(made, f"#{made['decisions'][1]['step']}")
    sets = rows_of_why(browser)
    assert {kind for rows in sets for kind in rows} == {"what", "deleted", "control deleted"}
    text = browser.value("document.getElementById('why-what').innerText")
    assert "this memory stores no single events: what it wrote can be deleted, but not replaced" in text


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
