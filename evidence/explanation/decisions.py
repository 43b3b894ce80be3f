"""The decisions of an episode that depend on its memory, each with the edits that change it most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engram.agents.evaluation.recording import Recording
from engram.agents.policy import MemoryPolicy
from engram.evidence.explanation.counterfactuals import Counterfactuals, as_json
from engram.evidence.explanation.edits import BUDGET, Replacement, random_others, written_steps

LEAST_DECISIONS = 40  # that the page shows even of a very long episode
CONTROL_SEED = 0
MOST_EFFECTS = 20  # sets of events listed for a decision, the strongest
LEAST_CHANGE = 0.05
"""A step is a decision to explain if some edit changes the likelihood of its action by this much, or if it is the last.

A change of probability; of a log density, 0.05 means that the mean shifts by a third of the standard deviation.
"""


class Decisions(NamedTuple):
    """What `find_decisions` returns."""

    listed: list[dict[str, Any]]  # in order, as `page/assets/1_episode.js` describes them
    left_out: list[int]  # steps of the decisions that are not listed because their changes are smaller


def find_decisions(
    policy: MemoryPolicy,
    recording: Recording,
    sets: Sequence[tuple[list[int], str]],
    instead: Sequence[Replacement | None],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Decisions:
    """Find the steps whose action depends on some events, and list the effects of these events.

    Args:
        policy: the agent.
        recording: the episode, T steps.
        sets: steps whose events are edited together, each set with a label.
        instead: [T] the replacement of each step's event.
        on_progress: called with (steps replayed, steps in all).

    Returns:
        the decisions; the last step is always one.
    """
    if not sets:
        return Decisions([], [])
    length, edited = len(recording.steps), [steps for steps, _ in sets]
    found = Counterfactuals(policy, recording, edited, instead, lambda done, _: on_progress(done, 2 * length))
    last, largest = length - 1, found.strength.max(0)  # [T]
    strongest = [int(time) for time in np.argsort(-largest, kind="stable") if largest[time] >= LEAST_CHANGE]
    chosen = [last, *(time for time in strongest if time != last)]
    times = sorted(chosen[: max(LEAST_DECISIONS, BUDGET // length)])
    listed = []
    for time in times:
        numbers = _distinct_before(edited, time)
        order = sorted(numbers, key=lambda number: -found.strength[number, time])[:MOST_EFFECTS]
        decision = {
            "step": time,
            "action": as_json(recording.steps[time].action[0].cpu().numpy()),
            "likelihood": round(float(found.effects.likelihood[time]), 4),
            "effects": [_effect(found, number, time, *sets[number]) for number in order],
            "tried": len(numbers),
            "control": None,
        }
        listed.append(decision)
    _add_controls(policy, recording, listed, instead, lambda done, _: on_progress(length + done, 2 * length))
    return Decisions(listed, sorted({*chosen} - {*times}))


def _distinct_before(sets: Sequence[Sequence[int]], time: int) -> list[int]:
    """Return the numbers of the sets with different events before a step; of equal ones, that of the smallest set.

    Editing the event of a step has no effect before the next step.
    """
    distinct: dict[tuple[int, ...], int] = {}
    for number in sorted(range(len(sets)), key=lambda number: len(sets[number])):
        distinct.setdefault(tuple(step for step in sets[number] if step < time), number)
    distinct.pop((), None)
    return sorted(distinct.values())


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
    listed: Sequence[dict[str, Any]],
    instead: Sequence[Replacement | None],
    on_progress: Callable[[int, int], None],
) -> None:
    """Add to each decision the effects of random other events, as many as its strongest effect has."""
    rng, written = np.random.default_rng(CONTROL_SEED), written_steps(recording)
    draws: list[list[int]] = []
    draws_of: dict[tuple[tuple[int, ...], int], range] = {}
    controlled: list[tuple[dict[str, Any], range]] = []
    for decision in listed:
        if not decision["effects"]:
            continue
        strongest = decision["effects"][0]["steps"]
        before = [step for step in written if step < decision["step"]]
        # Decisions with the same strongest events share draws until there are twice as many others to draw from.
        key = (tuple(strongest), len(before).bit_length())
        if key not in draws_of:
            drawn = random_others(strongest, before, rng)
            draws_of[key] = range(len(draws), len(draws) + len(drawn))
            draws += drawn
        if draws_of[key]:
            controlled.append((decision, draws_of[key]))
    if not draws:
        return
    found = Counterfactuals(policy, recording, draws, instead, on_progress)
    for decision, rows in controlled:
        replaced = [row for number in rows if (row := found.replaced_in[number]) is not None]
        decision["control"] = {
            "events": len(draws[rows[0]]),
            "draws": len(rows),
            "deleted": found.spread(rows, decision["step"]),
            "replaced": found.spread(replaced, decision["step"]) if replaced else None,
        }
