"""The decisions of an episode that its memory made: what they had been with some events deleted, or others in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.counterfactual import Change, Effects, changed
from agents.policy import MemoryPolicy
from agents.recording import Recording
from evidence.event_sets import random_others, written_steps
from evidence.replacements import Replacement

MOST_DECISIONS = 40
CONTROL_SEED = 0
MOST_SHOWN = 20  # sets of events at a decision, the strongest
LEAST_CHANGE = 0.05
"""A step at which nothing moves the likelihood of the action so far is no decision to explain, but for the last.

As a probability; where it is the log of a density, 0.05 is a mean that moves by a third of its standard deviation.
"""


def decisions(
    policy: MemoryPolicy,
    recording: Recording,
    sets: Sequence[tuple[list[int], str]],
    instead: Sequence[Replacement | None],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Find the steps at which some events make a difference, and say which.

    Args:
        policy: the agent that played.
        recording: the episode.
        sets: steps whose events are changed together, each with a label.
        instead: [T] what each step's event is replaced by.
        on_progress: called with (steps played back, steps in all).

    Returns:
        the decisions in order, the last step among them, as `page.js` describes them.
    """
    if not sets:
        return []
    length, groups = len(recording.steps), [steps for steps, _ in sets]
    found = Counterfactuals(policy, recording, groups, instead, lambda done, _: on_progress(done, 2 * length))
    last = length - 1
    largest = found.strength.max(0)  # [T]
    chosen = [
        int(time) for time in np.argsort(-largest, kind="stable") if largest[time] >= LEAST_CHANGE or time == last
    ]
    made = []
    for time in sorted({*chosen[: MOST_DECISIONS - 1], last}):
        order = np.argsort(-found.strength[:, time], kind="stable").tolist()
        # What a step stores is missed after it at the earliest.
        order = [number for number in order if groups[number][0] < time][:MOST_SHOWN]
        effects = [_effect(found, number, time, *sets[number]) for number in order]
        action = as_json(recording.steps[time].action[0].cpu().numpy())
        likelihood = round(float(found.effects.likelihood[time]), 4)
        made.append({"step": time, "action": action, "likelihood": likelihood, "effects": effects, "control": None})
    _add_controls(policy, recording, made, instead, lambda done, _: on_progress(length + done, 2 * length))
    return made


class Counterfactuals:
    """Sets of events, deleted, and replaced where there is something to replace them by.

    Args:
        policy, recording, instead, on_progress: see `decisions`.
        groups: G sets of steps.
    """

    def __init__(
        self,
        policy: MemoryPolicy,
        recording: Recording,
        groups: Sequence[Sequence[int]],
        instead: Sequence[Replacement | None],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self.recording = recording
        exchanges = [{step: other.observation for step in steps if (other := instead[step])} for steps in groups]
        deletions: list[Change] = [dict.fromkeys(steps) for steps in groups]
        self.effects: Effects = changed(
            policy, recording, [*deletions, *(change for change in exchanges if change)], on_progress
        )
        rows = iter(range(len(groups), 2 * len(groups)))
        self.replaced_in: list[int | None] = [next(rows) if change else None for change in exchanges]
        """[G] which row of the effects has the set replaced; in row g it is deleted."""
        sizes = np.abs(self.effects.likelihood_change)
        both = [[row] if other is None else [row, other] for row, other in enumerate(self.replaced_in)]
        self.strength: NDArray[np.float64] = np.stack([sizes[rows].max(0) for rows in both])
        """[G, T] how far a set moves the likelihood of the action, deleted or replaced, whichever is more."""

    def outcome(self, row: int | None, time: int) -> dict[str, Any] | None:
        """Say what one row of the effects has done to the decision at a step."""
        if row is None:
            return None
        effects = self.effects
        return {
            "likelihood": round(float(effects.likelihood_then[row, time]), 4),
            "likelihood_change": round(float(effects.likelihood_change[row, time]), 4),
            "value_change": round(float(effects.value_then[row, time] - effects.value[time]), 4),
            "action_after": as_json(effects.action_then[row, time]),
        }

    def spread(self, rows: Sequence[int], time: int) -> dict[str, Any]:
        """Say how far several rows of the effects have moved the decision at a step: the mean and the largest size."""
        effects, action = self.effects, self.recording.steps[time].action[0].cpu().numpy()
        sizes = np.abs(effects.likelihood_change[rows, time])
        values = np.abs(effects.value_then[rows, time] - effects.value[time])
        return {
            "likelihood_change": [round(float(sizes.mean()), 4), round(float(sizes.max()), 4)],
            "value_change": [round(float(values.mean()), 4), round(float(values.max()), 4)],
            "other_action": sum(not np.array_equal(effects.action_then[row, time], action) for row in rows),
        }


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
    dice, written = np.random.default_rng(CONTROL_SEED), written_steps(recording)
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
            drawn = random_others(strongest, before, dice)
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


def as_json(action: NDArray[Any]) -> int | list[float]:
    """Return an action as a number if it is a single discrete one, else as a list."""
    return int(action) if action.ndim == 0 else [round(float(part), 4) for part in action]
