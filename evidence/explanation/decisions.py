"""The decisions of an episode that its memory made: what they had been with some events deleted, or others in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engram.agents.evaluation.recording import Recording
from engram.agents.policy import MemoryPolicy
from engram.evidence.explanation.counterfactuals import Counterfactuals, as_json
from engram.evidence.explanation.event_sets import TRIED, random_others, written_steps
from engram.evidence.explanation.replacements import Replacement

LEAST_DECISIONS = 40  # that are shown of a long episode, if it has so many
CONTROL_SEED = 0
MOST_SHOWN = 20  # sets of events at a decision, the strongest
LEAST_CHANGE = 0.05
"""A step at which nothing moves the likelihood of the action so far is no decision to explain, but for the last.

As a probability; where it is the log of a density, 0.05 is a mean that moves by a third of its standard deviation.
"""


class Decisions(NamedTuple):
    """What `decisions` finds."""

    shown: list[dict[str, Any]]  # in order, as `page.js` describes them
    left_out: list[int]  # steps of further ones, which were moved less


def decisions(
    policy: MemoryPolicy,
    recording: Recording,
    sets: Sequence[tuple[list[int], str]],
    instead: Sequence[Replacement | None],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Decisions:
    """Find the steps at which some events make a difference, and say which.

    Args:
        policy: the agent that played.
        recording: the episode.
        sets: steps whose events are changed together, each with a label.
        instead: [T] what each step's event is replaced by.
        on_progress: called with (steps played back, steps in all).

    Returns:
        the decisions, the last step among them.
    """
    if not sets:
        return Decisions([], [])
    length, groups = len(recording.steps), [steps for steps, _ in sets]
    found = Counterfactuals(policy, recording, groups, instead, lambda done, _: on_progress(done, 2 * length))
    last = length - 1
    largest = found.strength.max(0)  # [T]
    strongest = [int(time) for time in np.argsort(-largest, kind="stable") if largest[time] >= LEAST_CHANGE]
    chosen = [last, *(time for time in strongest if time != last)]
    shown = sorted(chosen[: max(LEAST_DECISIONS, TRIED // length)])
    made = []
    for time in shown:
        numbers = _before(groups, time)
        order = sorted(numbers, key=lambda number: -found.strength[number, time])[:MOST_SHOWN]
        effects = [_effect(found, number, time, *sets[number]) for number in order]
        action = as_json(recording.steps[time].action[0].cpu().numpy())
        likelihood = round(float(found.effects.likelihood[time]), 4)
        decision = {"step": time, "action": action, "likelihood": likelihood, "effects": effects}
        made.append({**decision, "tried": len(numbers), "control": None})
    _add_controls(policy, recording, made, instead, lambda done, _: on_progress(length + done, 2 * length))
    return Decisions(made, sorted({*chosen} - {*shown}))


def _before(groups: Sequence[Sequence[int]], time: int) -> list[int]:
    """Return the numbers of the sets that can be missed at a step, those that are the same until then only once.

    What a step stores is missed after it at the earliest. Of sets that differ later only, the smallest is taken.
    """
    numbers = sorted(range(len(groups)), key=lambda number: len(groups[number]))
    once: dict[tuple[int, ...], int] = {}
    for number in numbers:
        once.setdefault(tuple(step for step in groups[number] if step < time), number)
    once.pop((), None)
    return sorted(once.values())


def _effect(found: Counterfactuals, number: int, time: int, steps: Sequence[int], label: str) -> dict[str, Any]:
    recorded = found.recording.steps
    return {
        "steps": [step for step in steps if step < time],
        "label": label,
        "group": len(steps) > 1,
        "shows_cue": None if recorded[steps[0]].cue is None else any(recorded[step].cue for step in steps),
        "deleted": found.outcome(number, time),
        "replaced": found.outcome(found.replaced_in[number], time),
    }


def _add_controls(
    policy: MemoryPolicy,
    recording: Recording,
    made: Sequence[dict[str, Any]],
    instead: Sequence[Replacement | None],
    on_progress: Callable[[int, int], None],
) -> None:
    """Set beside the strongest effect of each decision what as many random other events do."""
    rng, written = np.random.default_rng(CONTROL_SEED), written_steps(recording)
    draws: list[list[int]] = []
    rows_of: dict[tuple[tuple[int, ...], int], range] = {}
    places: list[tuple[dict[str, Any], range]] = []
    for decision in made:
        if not decision["effects"]:
            continue
        strongest = decision["effects"][0]["steps"]
        before = [step for step in written if step < decision["step"]]
        # Decisions with the same strongest events share draws until there are twice as many others to draw from.
        key = (tuple(strongest), len(before).bit_length())
        if key not in rows_of:
            drawn = random_others(strongest, before, rng)
            rows_of[key] = range(len(draws), len(draws) + len(drawn))
            draws += drawn
        if rows_of[key]:
            places.append((decision, rows_of[key]))
    if not draws:
        return
    found = Counterfactuals(policy, recording, draws, instead, on_progress)
    for decision, rows in places:
        replaced = [row for number in rows if (row := found.replaced_in[number]) is not None]
        decision["control"] = {
            "events": len(draws[rows[0]]),
            "draws": len(rows),
            "deleted": found.spread(rows, decision["step"]),
            "replaced": found.spread(replaced, decision["step"]) if replaced else None,
        }
