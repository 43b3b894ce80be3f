"""The agent as it was between two rollouts, so that a training that ends in the middle of one is saved as that."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from engram.agents import MemoryPPO
from engram.agents.carried import learned, set_learned


class Boundary(BaseCallback):
    """Keeps what is saved with the agent as it was when the last rollout began, and can go back to it.

    In the middle of a rollout the weights are of fewer steps than have been counted, and in the middle of an update
    they are of no number of steps at all.
    """

    model: MemoryPPO

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Any] | None = None
        self._is_whole = True  # the last rollout

    def _on_rollout_start(self) -> None:
        self._kept = learned(self.model)

    def _on_step(self) -> bool:
        self._is_whole = False
        return True

    def _on_rollout_end(self) -> None:
        self._is_whole = True

    def _on_training_end(self) -> None:
        if not self._is_whole:
            self.go_back()
        self._kept = None  # what comes now is no part of a rollout

    def go_back(self) -> None:
        """Let the agent be the one with which the last rollout began, if the training goes on or was interrupted."""
        if self._kept is not None:
            set_learned(self.model, self._kept)
