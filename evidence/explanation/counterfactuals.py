"""Sets of events of an episode, each deleted and replaced, and what that does to every decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engram.agents.evaluation.counterfactual import Change, CounterfactualEffects, changed
from engram.agents.evaluation.recording import Recording
from engram.agents.policy import MemoryPolicy
from engram.evidence.explanation.replacements import Replacement

AT_ONCE = 512  # changes that are played back side by side


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
        changes = [*deletions, *(change for change in exchanges if change)]
        self.effects: CounterfactualEffects = _in_turn(policy, recording, changes, on_progress)
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


def _in_turn(
    policy: MemoryPolicy,
    recording: Recording,
    changes: Sequence[Change],
    on_progress: Callable[[int, int], None],
) -> CounterfactualEffects:
    """Do what `changed` does, with so many changes at a time that they can be held."""
    parts: list[CounterfactualEffects] = []
    length, turns = len(recording.steps), -(-len(changes) // AT_ONCE)
    for turn in range(turns):

        def on_step(done: int, total: int, before: int = turn * length) -> None:
            on_progress((before + done) // turns, total)

        parts.append(changed(policy, recording, changes[turn * AT_ONCE : (turn + 1) * AT_ONCE], on_step))
    then = (np.concatenate([part[field] for part in parts]) for field in range(2, 5))
    return CounterfactualEffects(parts[0].likelihood, parts[0].value, *then)


def as_json(action: NDArray[Any]) -> int | list[float]:
    """Return an action as a number if it is a single discrete one, else as a list."""
    return int(action) if action.ndim == 0 else [round(float(part), 4) for part in action]
