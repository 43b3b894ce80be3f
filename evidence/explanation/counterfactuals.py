"""The effect on every decision of an episode when sets of events are deleted, and when they are replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engram.agents.evaluation.counterfactual import CounterfactualEffects, Edits, replay_with_edits
from engram.agents.evaluation.recording import Recording
from engram.agents.policy import MemoryPolicy
from engram.evidence.explanation.edits import Replacement


class Counterfactuals:
    """Replays of an episode with sets of events deleted, and replaced where there are replacements.

    Args:
        policy: the agent.
        recording: the episode, T steps.
        sets: G sets of steps whose events are edited together.
        instead: [T] the replacement of each step's event.
        on_progress: called with (steps replayed, steps in all).
    """

    def __init__(
        self,
        policy: MemoryPolicy,
        recording: Recording,
        sets: Sequence[Sequence[int]],
        instead: Sequence[Replacement | None],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self.recording = recording
        exchanges = [{step: other.observation for step in steps if (other := instead[step])} for steps in sets]
        deletions: list[Edits] = [dict.fromkeys(steps) for steps in sets]
        edits = [*deletions, *(edit for edit in exchanges if edit)]
        self.effects: CounterfactualEffects = replay_with_edits(policy, recording, edits, on_progress)
        rows = iter(range(len(sets), 2 * len(sets)))
        self.replaced_in: list[int | None] = [next(rows) if edit else None for edit in exchanges]
        """[G] the row of the effects with the set replaced; row g has it deleted."""
        sizes = np.abs(self.effects.likelihood_change)
        both = [[row] if other is None else [row, other] for row, other in enumerate(self.replaced_in)]
        self.strength: NDArray[np.float64] = np.stack([sizes[rows].max(0) for rows in both])
        """[G, T] size of the change of the action's likelihood: the larger of the set deleted and replaced."""

    def outcome(self, row: int | None, time: int) -> dict[str, Any] | None:
        """Return the decision at a step with the edit of one row, as the page expects it."""
        if row is None:
            return None
        effects = self.effects
        return {
            "likelihood": round(float(effects.edited_likelihood[row, time]), 4),
            "likelihood_change": round(float(effects.likelihood_change[row, time]), 4),
            "value_change": round(float(effects.edited_value[row, time] - effects.value[time]), 4),
            "action_after": as_json(effects.edited_action[row, time]),
        }

    def spread(self, rows: Sequence[int], time: int) -> dict[str, Any]:
        """Return the mean and the largest size of the changes at a step over the edits of several rows."""
        effects, action = self.effects, self.recording.steps[time].action[0].cpu().numpy()
        likelihoods = np.abs(effects.likelihood_change[rows, time])
        values = np.abs(effects.edited_value[rows, time] - effects.value[time])
        return {
            "likelihood_change": [round(float(likelihoods.mean()), 4), round(float(likelihoods.max()), 4)],
            "value_change": [round(float(values.mean()), 4), round(float(values.max()), 4)],
            "other_action": sum(not np.array_equal(effects.edited_action[row, time], action) for row in rows),
        }


def as_json(action: NDArray[Any]) -> int | list[float]:
    """Return an action as a number if it is a single discrete one, else as a list."""
    return int(action) if action.ndim == 0 else [round(float(part), 4) for part in action]
