"""What a page shows at a step, as read from the browser and as expected from the explanation."""

from __future__ import annotations

from typing import Any

import pytest

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


def expected(made: dict[str, Any], at: int) -> dict[str, Any]:
    """Return what the page must show at a step, from the definition."""
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
