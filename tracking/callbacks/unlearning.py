"""Notices that an agent unlearns: its validation has fallen far below its best, and stays there."""

from __future__ import annotations

from typing import Any

from engram.storage import Plain

FAR = 1 / 3
"""Share of what was gained since the first validation that has to be lost."""
LEAST = 0.1
"""Success that has to be lost at least; two agents that are equally good differ by less in 200 episodes."""


class Unlearning:
    """Told of every validation, says once in a fall that two in a row were far below the best."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.best = (-float("inf"), 0)  # and the steps at which it was reached
        self.below = 0  # validations in a row

    def get_state(self) -> Plain:
        """Return what the validations so far were like."""
        return [self.first, *self.best, self.below]

    def set_state(self, state: Any) -> None:
        """Go on from what `get_state` returned."""
        first, best, steps, below = state
        self.first, self.best, self.below = first, (float(best), int(steps)), int(below)

    def sentence(self, score: float, steps: int, least: float, approx_kl: float | None) -> str:
        """Return what is to be said after a validation; empty if that is nothing.

        Args:
            score: success rate or mean return.
            steps: of training.
            least: score that has to be lost at least; `LEAST` of a success rate, 0 of a return, whose unit is unknown.
            approx_kl: of the last update; None if it is not known.
        """
        self.first = score if self.first is None else self.first
        if score >= self.best[0]:
            self.best, self.below = (score, steps), 0
            return ""
        lost, gained = self.best[0] - score, self.best[0] - self.first
        self.below = self.below + 1 if lost > max(least, FAR * gained) else 0
        if self.below != 2:
            return ""
        moved = "" if approx_kl is None else f"; updates move the policy by approx_kl {approx_kl:.3f}"
        return (
            f"warning: validation has fallen from {self.best[0]:.3f} at {self.best[1]:,} steps to {score:.3f}{moved}: a"
            " lower ppo.learning_rate or a larger ppo.batch_size unlearns less; best.zip is the agent at its best"
        )
